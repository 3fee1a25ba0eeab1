"""How an answer's proof looks on a terminal: what was checked, the program, what is unverified, where it stands."""

from api.client import JsonObject
from common.finance_answers import ResultKind

_MOST_CITATIONS = 3
_MOST_QUOTE_CHARS = 100


def proof_lines(job: JsonObject) -> list[str]:
    """Return a succeeded job's proof in a few lines, none for plain text without sources."""
    answer = job["result"].get("answer")
    if answer is None:
        return []
    missing = [f"unverified {number['text']}: {number['reason']}" for number in answer["numbers"] if number["reason"]]
    citations = answer["citations"]
    lines = [_verdict(answer), *missing, *map(_citation, citations[:_MOST_CITATIONS])]
    if len(citations) > _MOST_CITATIONS:
        lines.append(f"and {len(citations) - _MOST_CITATIONS} more")
    return lines


def was_rewritten(job: JsonObject) -> bool:
    """Tell whether the answer's text is not what the model wrote and a stream showed."""
    answer = job["result"].get("answer")
    return answer is not None and answer["line"].strip() != job["result"]["text"].strip()


def _verdict(answer: JsonObject) -> str:
    parts = [_outcome(answer)]
    if answer["confidence"] is not None:
        # Cut, not rounded: nothing is 100% sure, not even a share whose four digits came out as 1.
        parts.append(f"confidence {min(99, round(10_000 * answer['confidence']) // 100)}%")
    if answer["program"]:
        parts.append(f"computed as {answer['program']}")
    if answer["retried"]:
        parts.append("second try")
    evidence = answer["evidence"]
    if evidence and (dropped := evidence["rows_dropped"] + evidence["sentences_dropped"]):
        kept = evidence["rows_kept"] + evidence["sentences_kept"]
        parts.append(f"read {kept} of {kept + dropped} rows and sentences")
    return " · ".join(parts)


def _outcome(answer: JsonObject) -> str:
    match ResultKind(answer["kind"]):
        case ResultKind.NOT_FOUND:
            return "not found"
        case ResultKind.UNPARSEABLE:
            return "unverified, not in the expected form"
        case _:
            verification: str = answer["verification"]
            return verification


def _citation(citation: JsonObject) -> str:
    page = "" if citation["page"] is None else f", page {citation['page']}"
    quote = " ".join(citation["quote"].split())
    short = quote if len(quote) <= _MOST_QUOTE_CHARS else f"{quote[: _MOST_QUOTE_CHARS - 1]}…"
    return f"{citation['document']}{page}: {short}"
