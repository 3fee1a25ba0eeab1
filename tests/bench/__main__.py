"""`python -m tests.bench` (`make bench`): every bench in turn, then docs/performance.md from what they found.

A part whose JSON is already of today and of this machine is left out unless `--again`; `--only NAMES` runs those
alone, `--render` none.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.parts import PARTS, RESULTS, Part, chosen, interpreter_command, names
from tests.bench.performance import render
from tests.bench.report import machine, print_line, print_table

TIMEOUT_S = 7_200


def main() -> int:
    """Run the parts, keep each one's line, render the page; return 1 if a part failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default=None, help=f"comma separated: {names()}")
    parser.add_argument(
        "--peers", action="store_true", help="other engines too: half an hour more, after make bench-peers"
    )
    parser.add_argument("--again", action="store_true", help="measure parts again that were measured here today")
    parser.add_argument("--render", action="store_true", help="only write the page from the recorded lines")
    parser.add_argument("--data", type=Path, default=os.environ.get("FINANCELLM_SHARED_DATA"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        parts = [] if options.render else chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    states = {}
    for part in parts:
        states[part.name] = _run(part, options)
        print(f"{part.name}: {states[part.name]}", file=sys.stderr, flush=True)
    page = render(options.results)
    rows = [[part.name, states.get(part.name, "not asked for")] for part in PARTS]
    print_table("make bench", ["part", "state"], rows)
    print_line("all", parts=states, page=str(page))
    return int(any(state.startswith("failed") for state in states.values()))


def _run(part: Part, options: argparse.Namespace) -> str:
    """Run one part and keep its line; return what became of it."""
    target: Path = options.results / f"{part.name}.json"
    if not options.again and _is_current(target, options.peers):
        return "recorded today already"
    if part.needs_data and options.data is None:
        return "left out: no --data and no FINANCELLM_SHARED_DATA"
    words = part.words(options.data, options.peers)
    started_s = time.monotonic()
    try:
        done = subprocess.run(interpreter_command(words), capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"failed: not done after {TIMEOUT_S} s"
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        said = done.stderr.strip().splitlines()
        return f"failed: {said[-1] if said else 'it printed nothing'}"
    print("\n".join(lines[:-1]), flush=True)
    line: dict[str, Any] = json.loads(lines[-1])
    line |= {"command": part.shown(options.peers), "seconds": round(time.monotonic() - started_s, 1)}
    line |= {"peers": options.peers} if part.name == "engines" else {}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(line, indent=1) + "\n", "utf-8")
    return f"measured in {line['seconds']:.0f} s"


def _is_current(target: Path, peers: bool) -> bool:
    """Tell whether a part was recorded today on this machine, with other engines if they are asked for now."""
    if not target.is_file():
        return False
    line = json.loads(target.read_text("utf-8"))
    is_here: bool = (line["machine"], line["date"]) == (machine(), datetime.now(UTC).strftime("%Y-%m-%d"))
    return is_here and (not peers or line.get("peers", True))


if __name__ == "__main__":
    sys.exit(main())
