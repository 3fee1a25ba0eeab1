"""A curated file of small rows for the tiny model, whose tokenizer knows single bytes."""

import json
import random
from pathlib import Path


def write_rows(path: Path, contexts: int, questions: int) -> Path:
    """Write contexts × questions rows; the questions of a context share it."""
    generator = random.Random(11)
    lines = []
    for context in range(contexts):
        table = "; ".join(f"r{row}={generator.randrange(100)}" for row in range(4))
        for question in range(questions):
            messages = [
                {"role": "system", "content": "sum"},
                {"role": "user", "content": f"t{context}: {table}\n{'r' * question}?"},
            ]
            lines.append(json.dumps({"messages": messages, "answer": str(generator.randrange(100)), "task": "t"}))
    path.write_text("\n".join(lines) + "\n")
    return path
