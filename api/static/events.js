// Server-sent events over fetch, which can carry a key, resumed after the last event that was seen.
import { request } from "./http.js";
import { backoff, isLasting } from "./retry.js";

// Calls onEvent(type, data) for each event until it returns true, the service says that all were seen, or `signal` aborts.
export async function follow(path, onEvent, signal) {
  let lastId = null;
  const pause = backoff();
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
      const response = await request(path, { headers, signal, silent: true });
      if (response.status === 204) return;
      for await (const event of frames(response.body)) {
        lastId = event.id ?? lastId;
        pause.reset();
        if (event.data && onEvent(event.type, JSON.parse(event.data))) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isLasting(error)) throw error;
    }
    await pause.wait(signal);
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
