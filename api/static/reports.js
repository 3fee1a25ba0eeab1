// Reports.
export function showReports() { return null; }
