"""The README's code blocks, so that tests can run what users read."""

import re
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block: its language and its text."""

    language: str
    text: str


def code_blocks(path: Path = README) -> list[CodeBlock]:
    """Return every fenced block that names a language, in order."""
    return [CodeBlock(match[1], match[2]) for match in _BLOCK.finditer(path.read_text("utf-8"))]
