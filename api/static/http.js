// Requests to the service: the key in its header, problems as errors with their code.
import { askForKey, offerKey, storedKey } from "./key.js";

export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Returns the response of a success; asks for a key once and again while it is refused.
export async function request(path, options = {}) {
  for (;;) {
    const key = storedKey();
    const response = await send(path, options, key);
    if (response.status !== 401) {
      if (response.ok) return response;
      throw await problemOf(response);
    }
    offerKey();
    // Another request may have asked for the key while this one was on its way.
    if (storedKey() !== key) continue;
    if (options.silent || !(await askForKey(key !== null))) throw await problemOf(response);
  }
}

async function send(path, options, key) {
  const headers = { Accept: "application/json", ...options.headers };
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  try {
    return await fetch(path, { method: options.method ?? "GET", headers, body: options.body, signal: options.signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The service cannot be reached. Check that it runs, then try again.");
  }
}

async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  return new Problem(response.status, problem.code ?? problem.error?.code ?? "unknown", wordsOf(problem, response.status));
}

// Where several fields are at fault, the detail only counts them.
function wordsOf(problem, status) {
  const faults = problem.errors ?? [];
  const detail = problem.detail ?? problem.error?.message ?? `The service answered ${status}.`;
  return faults.length < 2 ? detail : [detail, ...faults.map((fault) => `${fault.field}: ${fault.reason}`)].join(" ");
}

export const getJson = async (path, options) => (await request(path, options)).json();

export async function postJson(path, body, headers = {}) {
  const content = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await request(path, { method: "POST", headers: { ...content, ...headers }, body: body && JSON.stringify(body) });
  return response.json();
}

export const remove = (path) => request(path, { method: "DELETE" });

// Sends a form with progress, which fetch cannot tell.
export function upload(path, form, onProgress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", path);
    sending.responseType = "json";
    if (storedKey() !== null) sending.setRequestHeader("Authorization", `Bearer ${storedKey()}`);
    sending.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sending.onerror = () => reject(new Problem(0, "unreachable", "The upload broke off. Check the connection and try again."));
    sending.onload = () => {
      const body = sending.response ?? {};
      if (sending.status < 300) return resolve(body);
      return reject(new Problem(sending.status, body.code ?? "unknown", wordsOf(body, sending.status)));
    };
    sending.send(form);
  });
}

// Saves what a path answers as a file; a plain link could not carry the key.
export async function download(path, name) {
  const blob = await (await request(path, { headers: { Accept: "*/*" } })).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
