"""`python -m tests.bench.engines`: the native engine beside its peers, in tokens per second and shares of the machine.

Every engine runs in a process of its own on the same 128-token prompts, 64 greedy tokens each. Peers live in virtual
environments under .bench-venvs, made by hand for now; one that is not there is left out with the reason.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.engines_load import BATCHES, NEW_TOKENS, equal_prompts, extractive_prompts, stop_tokens
from tests.bench.report import print_line, print_table
from worker.engine.native.packed import PACKED_NAME, read_header

ROOT = Path(__file__).resolve().parents[2]
VENVS = ROOT / ".bench-venvs"
TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class Peer:
    """Another engine: the interpreter that has it, the script that runs it, and what the script needs to know."""

    name: str
    python: Path
    module: str
    extra: dict[str, Any]
    needs: Path | None = None

    def missing(self) -> str | None:
        """Return why it cannot run, None where it can."""
        if not self.python.exists():
            return f"no environment at {self.python.parent.parent.relative_to(ROOT)}; make it by hand"
        if self.needs is not None and not self.needs.exists():
            return f"no model at {self.needs.relative_to(ROOT)}; make it by hand"
        return None


def peers(threads: int) -> list[Peer]:
    """Return every peer this bench knows."""
    llama, openvino, vllm = (VENVS / name for name in ("llama", "openvino", "vllm"))
    gguf, w8a8 = llama / "model.gguf", vllm / "model-w8a8"
    found = [
        Peer(f"transformers {dtype}", Path(sys.executable), "engines_transformers", {"dtype": dtype})
        for dtype in ("bfloat16", "float32")
    ]
    found.append(
        Peer("llama.cpp", llama / "bin/python", "engines_llama", {"gguf": str(gguf), "threads": threads}, gguf)
    )
    for bits in ("int8", "int4"):
        model = openvino / f"model-{bits}"
        extra = {"openvino": str(model), "threads": threads}
        found.append(Peer(f"OpenVINO {bits}", openvino / "bin/python", "engines_openvino", extra, model))
    found.append(Peer("vLLM W8A8", vllm / "bin/python", "engines_vllm", {"vllm": str(w8a8)}, w8a8))
    return found


def start(python: Path, module: str, job: dict[str, Any]) -> dict[str, Any]:
    """Run a script with a job and return its last line; raises RuntimeError with its last words."""
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [python, "-m", f"tests.bench.{module}"],
        input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, env=environment, timeout=TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1][:200])
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def work_per_step(model_dir: Path, isa: str) -> dict[str, float]:
    """Return the bytes of weights one step reads and the int8 operations of one decoded and one prefilled token."""
    header = read_header(model_dir / PACKED_NAME)
    c = header.config
    weights = sum(entry.size for name, entry in header.tensors.items() if name != "embedding")
    layer = c.hidden * (c.heads + 2 * c.kv_heads) * c.head_dim + c.heads * c.head_dim * c.hidden
    layer += 3 * c.hidden * c.intermediate + c.hidden * c.intermediate  # down_proj works on two int8 rows
    body = 2.0 * layer * c.layers
    head = 2.0 * c.hidden * c.vocabulary
    return {"weight_bytes": float(weights), "decode_operations": body + head, "prefill_operations": body}


def show(native: dict[str, Any], others: dict[str, dict[str, Any]], work: dict[str, float], batches: list[int]) -> None:
    """Print the tables."""
    rows = [["native", *(native["decode"][str(batch)] for batch in batches), native["prefill"]]]
    for name, result in others.items():
        if "decode" in result:
            rows.append([name, *(result["decode"][str(batch)] for batch in batches), result["prefill"]])
        else:
            rows.append([f"{name}: {result['why']}", *("-" for _ in batches), "-"])
    print_table(
        f"decode and prefill, tokens per second ({native['isa']}, {native['threads']} threads)",
        ["engine", *(f"batch {batch}" for batch in batches), "prefill"],
        rows,
    )
    top = native["ceilings"]
    table = []
    for batch in batches:
        step_s = batch / native["decode"][str(batch)]
        table.append(
            _shares(f"decode, batch {batch}", step_s, work["weight_bytes"], batch * work["decode_operations"], top)
        )
    tokens = 256
    table.append(
        _shares(
            "prefill, 256 tokens",
            tokens / native["prefill"],
            work["weight_bytes"],
            tokens * work["prefill_operations"],
            top,
        )
    )
    ceiling = f"{top['read_bytes_per_second'] / 1e9:.1f} GB/s, {top['int8_operations_per_second'] / 1e9:.0f} int8 GOPS"
    print_table(
        f"work of a step against the machine's ceilings ({ceiling})",
        ["step", "ms", "weights MB", "int8 GOP", "of bandwidth", "of int8 peak"],
        table,
    )


def _shares(name: str, step_s: float, size: float, operations: float, top: dict[str, float]) -> list[object]:
    return [
        name, step_s * 1e3, size / 1e6, operations / 1e9,
        size / step_s / top["read_bytes_per_second"], operations / step_s / top["int8_operations_per_second"],
    ]  # fmt: skip


def best_ratio(mine: float, others: dict[str, dict[str, Any]], batch: int | None) -> float | None:
    """Return the native figure over the best peer's, of prefill where no batch is given."""
    figures = [
        result["prefill"] if batch is None else result["decode"][str(batch)]
        for result in others.values()
        if "decode" in result
    ]
    return mine / max(figures) if figures else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-dir", type=Path, default=ROOT / ".financellm" / "model")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--peers", nargs="*", help="only peers whose name starts so; none: the native engine alone")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    arguments = parser.parse_args()
    model_dir = arguments.model_dir.resolve()
    job = {
        "model_dir": str(model_dir),
        "prompts": equal_prompts(model_dir, max(arguments.batches)),
        "extractive": extractive_prompts(model_dir),
        "stops": stop_tokens(model_dir),
        "batches": arguments.batches,
        "new_tokens": NEW_TOKENS,
    }
    python = Path(sys.executable)
    native = start(python, "engines_native", job | {"started_s": time.time()})
    memory = start(python, "engines_native", job | {"memory": True, "rows": 16})
    others: dict[str, dict[str, Any]] = {}
    for peer in peers(native["threads"]):
        why = peer.missing()
        if arguments.peers is not None and not any(peer.name.startswith(wanted) for wanted in arguments.peers):
            why = "not asked for"
        try:
            others[peer.name] = {"why": why} if why else start(peer.python, peer.module, job | peer.extra)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            others[peer.name] = {"why": str(error)}
    work = work_per_step(model_dir, native["isa"])
    if not arguments.json:
        show(native, others, work, arguments.batches)
    report(native, memory, others, work, arguments.batches)


def report(
    native: dict[str, Any],
    memory: dict[str, Any],
    others: dict[str, dict[str, Any]],
    work: dict[str, float],
    batches: list[int],
) -> None:
    """Print the machine line."""
    decode = {"native": native["decode"]} | {name: result.get("decode") for name, result in others.items()}
    bandwidth = None
    if 1 in batches:
        bandwidth = work["weight_bytes"] * native["decode"]["1"] / native["ceilings"]["read_bytes_per_second"]
    ratios = {str(batch): best_ratio(native["decode"][str(batch)], others, batch) for batch in batches}
    why = {name: result["why"] for name, result in others.items() if "why" in result}
    if not any("decode" in result for result in others.values()):
        why["decode_ratio"] = why["prefill_ratio"] = "no peer could be measured"
    print_line(
        "engines",
        decode_tokens_per_second=decode,
        prefill_tokens_per_second={"native": native["prefill"]}
        | {name: result.get("prefill") for name, result in others.items()},
        decode_ratio=ratios,
        prefill_ratio=best_ratio(native["prefill"], others, None),
        extractive_ratio_1=native["extractive"]["tokens_per_second"] / native["extractive_plain"]["tokens_per_second"],
        extractive_tokens_per_step=native["extractive"]["tokens_per_step"],
        bandwidth_share_1=bandwidth,
        ready_s=native["ready_s"],
        resident_gb=memory["resident_bytes"] / 1e9,
        isa=native["isa"],
        threads=native["threads"],
        ceilings=native["ceilings"],
        work=work,
        why=why,
    )


if __name__ == "__main__":
    main()
