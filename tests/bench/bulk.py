"""`python -m tests.bench.bulk`: one set of prompts over real reports, with and without grouping, and in vLLM.

The prompts are those of a query: the same pages, evidence and words. Every run answers all of them with the same
weights: the native engine in plan order with its prefix cache, the native engine in shuffled order without one, and
vLLM in plan order with its prefix cache where `make bench-peers` made its environment. A run that takes longer than
`--limit-s` is given up and its row says so.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.bulk_prompts import Prompts, chosen_reports, read_prompts, shareable_tokens
from tests.bench.engines import start
from tests.bench.engines_peers import PEERS
from tests.bench.peers.places import ROOT, environment
from tests.bench.report import print_line, print_table

QUESTIONS = (
    "What was total revenue in the latest fiscal year?",
    "By what percentage did total revenue change from the year before?",
    "What was net income in the latest fiscal year?",
    "What was operating income in the latest fiscal year?",
    "What were total assets at the end of the latest period?",
    "What was net cash provided by operating activities?",
    "How much was spent on purchases of property, plant and equipment?",
    "How much was paid in dividends?",
    "What were diluted earnings per share?",
    "What was income tax expense?",
)
ROWS = 16
SHUFFLE_SEED = 0
VLLM = "vLLM W8A8 head"


@dataclass(frozen=True, slots=True)
class Run:
    """One way through all prompts: seconds, answers in plan order, prompt tokens found in the cache, or why not."""

    name: str
    seconds: float | None = None
    texts: tuple[tuple[int, ...], ...] = ()
    cached_tokens: int | None = None
    why: str | None = None

    @property
    def per_minute(self) -> float | None:
        """Questions a minute."""
        return None if self.seconds is None else 60 * len(self.texts) / self.seconds


def main() -> None:
    """Read the reports, run every way, and print the table and the machine line."""
    options = _options()
    reports = chosen_reports(options.data / "reports", options.files)
    questions = QUESTIONS[: options.questions]
    model_dir = options.model_dir.resolve()
    with tempfile.TemporaryDirectory() as folder:
        prompts = read_prompts(reports, questions, model_dir, Path(folder))
    job = {
        "model_dir": str(model_dir),
        "rows": ROWS,
        "answer_tokens": prompts.answer_tokens,
        "stops": sorted(prompts.stops),
    }
    grouped = list(range(len(prompts.token_ids)))
    runs = (
        _native("native, grouped, prefix cache", prompts, grouped, {**job, "prefix_cache": True}, options.limit_s),
        _native(
            "native, shuffled, no prefix cache",
            prompts,
            shuffled(grouped),
            {**job, "prefix_cache": False},
            options.limit_s,
        ),
        _vllm(prompts, job, model_dir, options.limit_s),
    )
    _print(len(reports), len(questions), prompts, runs)


def shuffled(order: Sequence[int]) -> list[int]:
    """Return the numbers in an order that is random and always the same."""
    mixed = list(order)
    random.Random(SHUFFLE_SEED).shuffle(mixed)
    return mixed


def in_plan_order(texts: Sequence[Sequence[int]], order: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the answers sorted back from the order in which their prompts were given."""
    return tuple(tuple(text) for _, text in sorted(zip(order, texts, strict=True)))


def ratio(first: Run, second: Run) -> float | None:
    """Return how many times faster the first run was, None where one of them is missing."""
    if first.seconds is None or second.seconds is None:
        return None
    return second.seconds / first.seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bulk", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("FINANCELLM_SHARED_DATA"))
    parser.add_argument("--model-dir", type=Path, default=ROOT / ".financellm" / "model")
    parser.add_argument("--files", type=int, default=8, help="most reports to ask")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="how many questions to ask each")
    parser.add_argument("--limit-s", type=float, default=180, help="longest time of one run, loading included")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set --data or FINANCELLM_SHARED_DATA to the folder of real finance data")
    if options.files < 1 or not 1 <= options.questions <= len(QUESTIONS):
        parser.error(f"--files must be at least 1, --questions 1 to {len(QUESTIONS)}")
    return options


def _native(name: str, prompts: Prompts, order: Sequence[int], job: Mapping[str, Any], limit_s: float) -> Run:
    return _run(name, Path(sys.executable), "bulk_native", prompts, order, job, os.environ, limit_s)


def _vllm(prompts: Prompts, job: Mapping[str, Any], model_dir: Path, limit_s: float) -> Run:
    name = "vLLM, grouped, prefix cache"
    peer = next(peer for peer in PEERS if peer.name == VLLM)
    if why := peer.missing(model_dir):
        return Run(name, why=why)
    full = peer.full_job({**job, "threads": len(os.sched_getaffinity(0))}, model_dir)
    order = range(len(prompts.token_ids))
    return _run(name, peer.python, "bulk_vllm", prompts, order, full, environment(), limit_s)


def _run(
    name: str,
    python: Path,
    module: str,
    prompts: Prompts,
    order: Sequence[int],
    job: Mapping[str, Any],
    variables: Mapping[str, str],
    limit_s: float,
) -> Run:
    given = [prompts.token_ids[number] for number in order]
    try:
        found = start(python, module, {**job, "prompts": given}, variables, limit_s)
    except RuntimeError as error:
        return Run(name, why=str(error))
    except subprocess.TimeoutExpired:
        return Run(name, why=f"not done after {limit_s:.0f} s")
    return Run(name, found["seconds"], in_plan_order(found["texts"], order), found.get("cached_tokens"))


def _print(reports: int, questions: int, prompts: Prompts, runs: tuple[Run, Run, Run]) -> None:
    grouped, scattered, vllm = runs
    prompt_tokens = sum(map(len, prompts.token_ids))
    print_table(
        f"{reports} reports ({prompts.pages:,} pages), {questions} questions each: {len(prompts.token_ids)} prompts of "
        f"{prompt_tokens:,} tokens in all, {ROWS} rows at once; reading the reports took {prompts.read_s:.0f} s",
        ("run", "questions/minute", "s", "prompt tokens from cache", "answer tokens", "note"),
        [_cells(run, prompt_tokens) for run in runs],
    )
    shareable = shareable_tokens(prompts.token_ids) / prompt_tokens
    print(f"a prefix cache without limits would find {shareable:.0%} of the prompt tokens")
    same = grouped.texts == scattered.texts if grouped.texts and scattered.texts else None
    print(f"answers of both native runs are {'not compared' if same is None else 'equal' if same else 'DIFFERENT'}")
    print_line(
        "bulk",
        questions_per_minute=grouped.per_minute,
        scattered_per_minute=scattered.per_minute,
        vllm_per_minute=vllm.per_minute,
        grouping_ratio=ratio(grouped, scattered),
        vllm_ratio=ratio(grouped, vllm),
        why={run.name: run.why for run in runs if run.why},
        rows=len(prompts.token_ids),
        prompt_tokens=prompt_tokens,
        shareable_prompt_share=shareable,
        cached_prompt_share=None if grouped.cached_tokens is None else grouped.cached_tokens / prompt_tokens,
        answers_equal=same,
    )


def _cells(run: Run, prompt_tokens: int) -> tuple[object, ...]:
    if run.per_minute is None or run.seconds is None:
        return run.name, "", "", "", "", run.why or ""
    share = "" if run.cached_tokens is None else f"{run.cached_tokens / prompt_tokens:.0%}"
    return run.name, run.per_minute, run.seconds, share, sum(map(len, run.texts)), ""


if __name__ == "__main__":
    main()
