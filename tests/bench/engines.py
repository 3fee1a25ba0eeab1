"""`python -m tests.bench.engines`: the native engine beside its peers, in tokens per second and shares of the machine.

Every engine runs in a process of its own, one after another, on the same 128-token prompts, greedily, with as many new
tokens and threads. `make bench-peers` makes the peers; one that is not there is left out with the reason.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.engines_load import BATCHES, NEW_TOKENS, equal_prompts, extractive_prompts, stop_tokens
from tests.bench.engines_peers import PEERS, Peer
from tests.bench.engines_report import report, show, values
from tests.bench.peers.places import ROOT, environment
from tests.bench.peers.steps import reason
from worker.engine.native.packed import PACKED_NAME, read_header

ROUNDS = 3
MEMORY_ROWS = 16
TIMEOUT_S = 1800


def start(
    python: Path, module: str, job: Mapping[str, Any], variables: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Run a script with a job and return its last line; raises RuntimeError with its last words."""
    done = subprocess.run(
        [python, "-m", f"tests.bench.{module}"],
        input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, env=dict(variables), timeout=timeout_s,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(reason(done.stderr))
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def work_per_step(model_dir: Path) -> dict[str, float]:
    """Return the bytes of weights one step reads and the int8 operations of one decoded and one prefilled token."""
    header = read_header(model_dir / PACKED_NAME)
    c = header.config
    weights = sum(entry.size for name, entry in header.tensors.items() if name != "embedding")
    qkv = c.hidden * (c.heads + 2 * c.kv_heads) * c.head_dim
    layer = qkv + c.heads * c.head_dim * c.hidden + 3 * c.hidden * c.intermediate
    # Of a prompt's last layer only keys and values are wanted, but for its last token.
    return {
        "weight_bytes": float(weights),
        "decode_operations": 2.0 * (layer * c.layers + c.hidden * c.vocabulary),
        "prefill_operations": 2.0 * (layer * (c.layers - 1) + qkv),
    }


def measure_native(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the native engine, and its memory in a process of its own."""
    python = Path(sys.executable)
    native = start(python, "engines_native", {**job, "started_s": time.time()}, os.environ)
    memory = start(python, "engines_native", {**job, "memory": True, "rows": MEMORY_ROWS}, os.environ)
    return native | memory


def measure_peer(peer: Peer, job: Mapping[str, Any], model_dir: Path) -> dict[str, Any]:
    """Return a peer's figures, or `why` it has none."""
    variables = environment() if peer.environment else os.environ
    try:
        return start(peer.python, peer.module, peer.full_job(job, model_dir), variables)
    except RuntimeError as error:
        return {"why": str(error)}
    except subprocess.TimeoutExpired:
        return {"why": f"not done after {TIMEOUT_S} s"}


def why_not(peer: Peer, wanted: Sequence[str] | None, lookup: bool, model_dir: Path) -> str | None:
    """Return why a peer is not run, None where it is."""
    if wanted is not None and not any(peer.name.lower().startswith(name.lower()) for name in wanted):
        return "not asked for"
    if peer.only_extractive and not lookup:
        return "quoted prompts were not asked for"
    return peer.missing(model_dir)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engines", description=__doc__)
    parser.add_argument("--model-dir", type=Path, default=ROOT / ".financellm" / "model")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--new-tokens", type=int, default=NEW_TOKENS, help="at least 2")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="repeats of which the median is taken")
    parser.add_argument("--engines", nargs="*", help="only peers whose name starts so; none: the native engine alone")
    parser.add_argument("--quoting", action=argparse.BooleanOptionalAction, default=True, help="measure quoted prompts")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    model_dir = options.model_dir.resolve()
    job = {
        "model_dir": str(model_dir),
        "prompts": equal_prompts(model_dir, max(options.batches)),
        "extractive": extractive_prompts(model_dir),
        "stops": stop_tokens(model_dir),
        "batches": options.batches,
        "new_tokens": options.new_tokens,
        "rounds": options.rounds,
        "lookup": options.quoting,
    }
    native = measure_native(job)
    others = {}
    for peer in PEERS:
        why = why_not(peer, options.engines, options.quoting, model_dir)
        full = job | {"threads": native["threads"]}
        others[peer.name] = {"why": why} if why else measure_peer(peer, full, model_dir)
    line = values(native, others, work_per_step(model_dir))
    if not options.json:
        show(native, others, line, options.batches)
    report(line)


if __name__ == "__main__":
    main()
