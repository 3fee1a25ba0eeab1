"""How fast this worker really is: tokens over the time it was busy."""

import threading
from collections import deque

WINDOW_S = 60.0
LEAST_BUSY_S = 0.5


class RateMeter:
    """Prompt and completion tokens per second of busy time, over the last minute of it; safe between threads."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._steps: deque[tuple[int, float]] = deque()
        self._tokens = 0
        self._busy_s = 0.0
        self._lock = threading.Lock()

    def record(self, tokens: int, busy_s: float) -> None:
        """Count the tokens that `busy_s` seconds of work brought."""
        with self._lock:
            self._steps.append((tokens, busy_s))
            self._tokens += tokens
            self._busy_s += busy_s
            while self._busy_s - self._steps[0][1] > self._window_s:
                old_tokens, old_s = self._steps.popleft()
                self._tokens -= old_tokens
                self._busy_s -= old_s

    @property
    def tokens_per_second(self) -> float | None:
        """The measured rate, None before there is enough to measure."""
        with self._lock:
            if self._busy_s < LEAST_BUSY_S or not self._tokens:
                return None
            return self._tokens / self._busy_s
