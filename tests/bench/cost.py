"""What 1,000 answers cost by the prices of a provider and the speeds a bench measured."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT_TOKENS, ANSWER_TOKENS = 200, 100
ANSWERS = 1_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars for what is used, and where and when they were read."""

    provider: str
    date: str
    source: str
    cpu_dollars_per_core_month: float
    memory_dollars_per_gb_month: float
    seconds_per_month: int

    @classmethod
    def read(cls, path: Path) -> "Prices":
        """Read docs/performance/prices.json."""
        return cls(**json.loads(path.read_text("utf-8")))

    def dollars(self, seconds: float, cores: int, memory_gb: float) -> float:
        """Return the price of so many seconds of cores and memory."""
        month = cores * self.cpu_dollars_per_core_month + memory_gb * self.memory_dollars_per_gb_month
        return seconds / self.seconds_per_month * month


def answer_seconds(prefill_per_second: float, decode_per_second: float) -> float:
    """Return the measured machine's seconds for 1,000 answers of PROMPT_TOKENS and ANSWER_TOKENS."""
    return ANSWERS * (PROMPT_TOKENS / prefill_per_second + ANSWER_TOKENS / decode_per_second)


def cost_rows(engines: Mapping[str, Any], prices: Prices) -> list[tuple[str, float, float, float]]:
    """Return engine, its best decode rate, seconds and dollars for 1,000 answers, the cheapest first.

    Memory of every engine is taken as the native engine's, since it alone is measured.
    """
    rows = []
    for name, decode in engines["decode_tokens_per_second"].items():
        prefill = engines["prefill_tokens_per_second"].get(name)
        if not decode or not prefill:
            continue
        best = max(decode.values())
        seconds = answer_seconds(max(prefill.values()), best)
        rows.append((name, best, seconds, prices.dollars(seconds, engines["threads"], engines["resident_gb"])))
    return sorted(rows, key=lambda row: row[3])
