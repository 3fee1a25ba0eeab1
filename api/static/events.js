// Server-sent events over fetch, which can carry a key, resumed after the last event that was seen.
import { Problem, request } from "./http.js";

const LONGEST_PAUSE_MS = 10_000;

// Calls onEvent(type, data) for each event until it returns true, the service says that all were seen, or `signal` aborts.
export async function follow(path, onEvent, signal) {
  let lastId = null;
  let pauseMs = 500;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
      const response = await request(path, { headers, signal });
      if (response.status === 204) return;
      for await (const event of frames(response.body)) {
        lastId = event.id ?? lastId;
        pauseMs = 500;
        if (event.data && onEvent(event.type, JSON.parse(event.data))) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      const lasting = error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (lasting) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = parts.pop();
      for (const part of parts) yield frame(part);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function frame(text) {
  const event = { id: null, type: "message", data: "" };
  for (const line of text.split("\n")) {
    const [, name, value] = line.match(/^(id|event|data): ?(.*)$/) ?? [];
    if (name === "id") event.id = value;
    else if (name === "event") event.type = value;
    else if (name === "data") event.data += value;
  }
  return event;
}
