"""`python -m tests.bench.grounding`: does the number check find corrupted numbers, and leave true ones alone?"""

import argparse
import os
import random
import time
from collections import Counter
from pathlib import Path

from tests.bench.grounding_cases import Case, make_cases
from tests.bench.report import percentile, print_line, print_table
from worker.grounding import check_numbers
from worker.operands import Passage


def main() -> None:
    """Generate the cases, check every answer, print what was found and missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("FINANCELLM_SHARED_DATA"), help="folder of real finance data"
    )
    parser.add_argument("--pairs", type=int, default=500, help="true answers, each with a corrupted twin")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--distractors", type=int, default=0, help="further pages cited beside the right one")
    parser.add_argument("--show", type=int, default=0, help="print this many wrong verdicts")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set --data or FINANCELLM_SHARED_DATA to the folder of real finance data")

    cases, collisions = make_cases(options.data, options.pairs, random.Random(options.seed))
    flagged: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    times_ms: list[float] = []
    shown = 0
    for number, case in enumerate(cases):
        others = [cases[(number + 7 * step) % len(cases)].passages[0] for step in range(1, options.distractors + 1)]
        started = time.perf_counter()
        is_flagged = _is_flagged(case, others)
        times_ms.append((time.perf_counter() - started) * 1_000)
        kind = f"{'corrupted' if case.corruption else 'true'}: {case.corruption or case.kind}"
        seen[kind] += 1
        flagged[kind] += is_flagged
        if is_flagged != bool(case.corruption) and shown < options.show:
            shown += 1
            print(f"{kind} | {case.kind} | {case.answer} | {case.near}")

    caught = sum(count for kind, count in flagged.items() if kind.startswith("corrupted"))
    alarms = sum(count for kind, count in flagged.items() if kind.startswith("true"))
    corrupted = sum(bool(case.corruption) for case in cases)
    print_table(
        f"{len(cases)} answers, seed {options.seed}; flagged = marked unverified",
        ("kind", "cases", "flagged"),
        [(kind, seen[kind], flagged[kind]) for kind in sorted(seen)],
    )
    print_line(
        "grounding",
        cases=len(cases),
        corrupted=corrupted,
        precision=caught / (caught + alarms),
        recall=caught / corrupted,
        false_alarm_share=alarms / (len(cases) - corrupted),
        collisions_left_out=collisions,
        check_p50_ms=percentile(times_ms, 0.5),
        check_p99_ms=percentile(times_ms, 0.99),
        distractors=options.distractors,
        seed=options.seed,
    )


def _is_flagged(case: Case, others: list[str]) -> bool:
    passages = [Passage(str(number), text) for number, text in enumerate((*case.passages, *others))]
    grounding = check_numbers(case.answer, passages, computations=case.computations)
    target = next((number for number in grounding.numbers if number.start <= case.at < number.end), None)
    return target is None or not target.is_verified


if __name__ == "__main__":
    main()
