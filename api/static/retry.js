// Asking again after growing pauses: the service may be away or busy, or wait for a key.
import { Problem } from "./http.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const PASSING = new Set([401, 429]);

// Whether the service refuses this very request, so that asking again cannot help.
export const isLasting = (error) => error instanceof Problem && error.status >= 400 && error.status < 500 && !PASSING.has(error.status);

// Pauses that double until `reset`.
export function backoff(firstMs = FIRST_PAUSE_MS) {
  let nextMs = firstMs;
  return {
    reset() {
      nextMs = firstMs;
    },
    wait(signal) {
      const pauseMs = nextMs;
      nextMs = Math.min(LONGEST_PAUSE_MS, 2 * nextMs);
      return sleep(pauseMs, signal);
    },
  };
}

// Runs `ask(again)` until it succeeds, fails for good or `signal` aborts; `tell` hears of each failure in between.
export async function retried(ask, signal, tell) {
  const pause = backoff();
  for (let again = false; ; again = true) {
    try {
      return await ask(again);
    } catch (error) {
      if (signal.aborted || isLasting(error)) throw error;
      tell(error);
    }
    await pause.wait(signal);
    signal.throwIfAborted();
  }
}

// Resolves after a time, or at once when `signal` aborts.
function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    function end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}
