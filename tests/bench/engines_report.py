"""What the engine bench makes of its figures: tables for people, ratios to the best other engine, the machine line."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.engines_load import BATCHES
from tests.bench.engines_peers import PEERS
from tests.bench.report import print_line, print_table

Results = Mapping[str, Mapping[str, Any]]
PREFILL_TOKENS = 256


def best_other(others: Results, figure: str, batch: int | None = None) -> tuple[str, float] | None:
    """Return the fastest other engine and its tokens per second: of a batch, or of its best batch where none is given.

    `figure` is decode, prefill or extractive. None where no engine has that figure.
    """
    found = []
    for name, result in others.items():
        value = result.get(figure)
        if isinstance(value, Mapping):
            value = max(value.values(), default=None) if batch is None else value.get(str(batch))
        if value is not None:
            found.append((float(value), name))
    if not found:
        return None
    value, name = max(found)
    return name, value


def ratio(mine: float | None, best: tuple[str, float] | None) -> float | None:
    """Return the native figure over the best other engine's, None where one of them was not measured."""
    return None if mine is None or best is None else mine / best[1]


def best_of(figures: Mapping[str, float]) -> float:
    """Return the highest of the figures by batch."""
    return max(figures.values())


def extractive_best(others: Results) -> tuple[str, float] | None:
    """Return the fastest other engine on quoted prompts: by its own speculation, or by plain decoding."""
    plain = best_other(others, "decode", 1)
    speculative = best_other(others, "extractive")
    known = [best for best in (plain, speculative) if best is not None]
    return max(known, key=lambda best: best[1], default=None)


def same_start(native: Sequence[int], other: Sequence[int]) -> float:
    """Return the share of the native text that another engine's text begins with: near 0 hints at a broken model."""
    same = 0
    for mine, theirs in zip(native, other, strict=False):
        if mine != theirs:
            break
        same += 1
    return same / len(native)


def values(native: Mapping[str, Any], others: Results, work: Mapping[str, float]) -> dict[str, Any]:
    """Return the keys of the machine line; what could not be measured is None, and `why` says why."""
    why = {name: result["why"] for name, result in others.items() if "why" in result}
    ratios = {}
    for batch in BATCHES:
        ratios[str(batch)] = ratio(native["decode"].get(str(batch)), best_other(others, "decode", batch))
        if ratios[str(batch)] is None:
            asked = str(batch) in native["decode"]
            why[f"decode_ratio {batch}"] = "no other engine was measured" if asked else "this batch was not asked for"
    prefill_ratio = ratio(best_of(native["prefill"]), best_other(others, "prefill"))
    if prefill_ratio is None:
        why["prefill_ratio"] = "no other engine was measured"
    extractive_ratio, gain = None, None
    if "extractive" in native:
        extractive_ratio = ratio(native["extractive"], extractive_best(others))
        gain = native["extractive"] / native["extractive_plain"]
    if extractive_ratio is None:
        why["extractive_ratio_1"] = "quoted prompts, or a batch of one of another engine, were not asked for"
    bandwidth = None
    if "1" in native["decode"]:
        bandwidth = work["weight_bytes"] * native["decode"]["1"] / native["ceilings"]["read_bytes_per_second"]
    else:
        why["bandwidth_share_1"] = "a batch of one was not asked for"
    measured = {"native": native, **others}
    return {
        "decode_tokens_per_second": {name: result.get("decode") for name, result in measured.items()},
        "decode_ratio": ratios,
        "prefill_ratio": prefill_ratio,
        "extractive_ratio_1": extractive_ratio,
        "bandwidth_share_1": bandwidth,
        "ready_s": native["ready_s"],
        "resident_gb": native["resident_bytes"] / 1e9,
        "isa": native["isa"],
        "threads": native["threads"],
        "prefill_tokens_per_second": {name: result.get("prefill") for name, result in measured.items()},
        "extractive_tokens_per_second": {
            name: result.get("extractive") for name, result in measured.items() if "extractive" in result
        },
        "extractive_gain_1": gain,
        "extractive_tokens_per_step": native.get("extractive_tokens_per_step"),
        "load_s": {name: result["load_s"] for name, result in others.items() if "load_s" in result},
        "versions": {name: result["version"] for name, result in others.items() if "version" in result},
        "same_start": {
            name: same_start(native["text"], result["text"]) for name, result in others.items() if "text" in result
        },
        "ceilings": native["ceilings"],
        "work": dict(work),
        "why": why,
    }


def show(native: Mapping[str, Any], others: Results, line: Mapping[str, Any], batches: Sequence[int]) -> None:
    """Print the tables."""
    _show_speed(native, others, line, batches)
    settings = [[peer.name, others[peer.name].get("version", "-"), peer.settings] for peer in PEERS]
    run = [row for row in settings if "why" not in others[str(row[0])]]
    if run:
        print_table("other engines", ["engine", "version", "settings"], run)
    left_out = [[name, result["why"]] for name, result in others.items() if "why" in result]
    if left_out:
        print_table("not measured", ["engine", "why"], left_out)
    _show_work(native, line["work"], batches)


def _show_speed(native: Mapping[str, Any], others: Results, line: Mapping[str, Any], batches: Sequence[int]) -> None:
    def row(name: str, result: Mapping[str, Any]) -> list[object]:
        decode = result.get("decode", {})
        prefill = best_of(result["prefill"]) if "prefill" in result else "-"
        quoted = result.get("extractive", "-")
        start = line["same_start"].get(name, "-")
        return [name, *(decode.get(str(batch), "-") for batch in batches), prefill, quoted, start]

    rows = [row("native", native)]
    rows += [row(name, result) for name, result in others.items() if "why" not in result]
    best = [best_other(others, "decode", batch) for batch in batches]
    named = [found[0] if found else "-" for found in (*best, best_other(others, "prefill"))]
    ratios = [*(line["decode_ratio"].get(str(batch)) for batch in batches), line["prefill_ratio"]]
    shown = [value if value is not None else "-" for value in (*ratios, line["extractive_ratio_1"])]
    quoted = extractive_best(others) if "extractive" in native else None
    rows.append(["best other engine", *named, quoted[0] if quoted else "-", "-"])
    rows.append(["native ÷ best other", *shown, "-"])
    print_table(
        f"tokens per second ({native['isa']}, {native['threads']} threads); same text: share of the native text",
        ["engine", *(f"decode {batch}" for batch in batches), "prefill", "quoting", "same text"],
        rows,
    )


def _show_work(native: Mapping[str, Any], work: Mapping[str, float], batches: Sequence[int]) -> None:
    top = native["ceilings"]
    steps = [
        (f"decode, batch {batch}", batch / native["decode"][str(batch)], batch * work["decode_operations"])
        for batch in batches
    ]
    prefill_s = PREFILL_TOKENS / best_of(native["prefill"])
    steps.append((f"prefill, {PREFILL_TOKENS} tokens", prefill_s, PREFILL_TOKENS * work["prefill_operations"]))
    rows = [
        [
            name, step_s * 1e3, work["weight_bytes"] / 1e6, operations / 1e9,
            work["weight_bytes"] / step_s / top["read_bytes_per_second"],
            operations / step_s / top["int8_operations_per_second"],
        ]
        for name, step_s, operations in steps
    ]  # fmt: skip
    ceiling = f"{top['read_bytes_per_second'] / 1e9:.1f} GB/s, {top['int8_operations_per_second'] / 1e9:.0f} int8 GOPS"
    print_table(
        f"work of a step against the machine's ceilings ({ceiling})",
        ["step", "ms", "weights MB", "int8 GOP", "of bandwidth", "of int8 peak"],
        rows,
    )


def report(line: Mapping[str, Any]) -> None:
    """Print the machine line."""
    print_line("engines", **line)
