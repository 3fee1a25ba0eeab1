"""Question files: one question a line, JSON lines {id, text}, or CSV with a `question` or `text` column."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from common.errors import RequestError

Question = str | dict[str, str]
_TEXT_COLUMNS = ("question", "text")


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a file; raises RequestError with the line that cannot be read."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {error}.", "questions") from error
    if path.suffix in (".jsonl", ".ndjson"):
        # JSON strings may hold the other characters at which splitlines() splits.
        found = [_from_json(path, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    elif path.suffix == ".csv":
        found = _from_csv(path, text)
    else:
        found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise RequestError(f"{path} holds no question.", "questions")
    return found


def _from_json(path: Path, number: int, line: str) -> Question:
    try:
        value: Any = json.loads(line)
    except ValueError as error:
        raise RequestError(f"{path}, line {number}: not JSON ({error}).", "questions") from error
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("text"), str) or not value.get("id"):
        raise RequestError(f'{path}, line {number}: expected {{"id": ..., "text": ...}}.', "questions")
    return {"id": str(value["id"]), "text": value["text"]}


def _from_csv(path: Path, text: str) -> list[Question]:
    # A quoted question may go on over several lines.
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = {name.strip().lower(): name for name in reader.fieldnames or ()}
    column = next((names[name] for name in _TEXT_COLUMNS if name in names), None)
    if column is None:
        raise RequestError(f"{path} has no column `question` or `text`.", "questions")
    found: list[Question] = []
    for line in reader:
        question = (line[column] or "").strip()
        if question:
            # A line that ends early has no id.
            name = (line[names["id"]] or "").strip() if "id" in names else ""
            found.append({"id": name, "text": question} if name else question)
    return found
