// Addresses of the service's objects.

export const collectionPath = (id) => `/v1/collections/${encodeURIComponent(id)}`;
