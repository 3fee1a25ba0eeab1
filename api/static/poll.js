// Asks again and again while the page is seen, and not at all while it is hidden.

// Runs `task(again)` now and `everyMs` after each end; returns a function that stops it.
export function poll(task, everyMs) {
  let timer = null;
  let stopped = false;
  let busy = false;
  let again = false;
  async function turn() {
    if (busy || stopped || document.hidden) return;
    busy = true;
    clearTimeout(timer);
    try {
      await task(again);
    } finally {
      again = true;
      busy = false;
      if (!stopped) timer = setTimeout(turn, everyMs);
    }
  }
  document.addEventListener("visibilitychange", turn);
  turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turn);
  };
}
