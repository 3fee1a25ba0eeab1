// Event streams of cards: few at once, as browsers open six connections to a host, shared by all its tabs.
import { follow } from "./events.js";

const MOST = 3;
const open = new Set();

// Follows events as events.js does if a stream is free; a running job takes that of one which waits. Else returns at once.
export async function followInTurn(path, onEvent, { isRunning, signal }) {
  if (!makeRoom(isRunning())) return;
  const stream = { isRunning, closing: new AbortController() };
  open.add(stream);
  try {
    await follow(path, onEvent, AbortSignal.any([signal, stream.closing.signal]));
  } finally {
    open.delete(stream);
  }
}

function makeRoom(isRunning) {
  if (open.size < MOST) return true;
  const idle = isRunning ? [...open].find((stream) => !stream.isRunning()) : undefined;
  idle?.closing.abort();
  return open.delete(idle);
}
