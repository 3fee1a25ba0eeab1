"""The tree of source files with one duty each, read from the files themselves.

`python -m tests.support.file_tree` writes it into the README and docs/architecture.md; a test holds that it is current.
"""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Each page and the folders it shows.
PAGES = {
    ROOT / "README.md": (
        ":(glob)common/*",
        ":(glob)api/*",
        ":(glob)worker/*",
        ":(glob)worker/engine/*",
        ":(glob)training/*",
    ),
    ROOT / "docs" / "architecture.md": ("common", "api", "worker", "training", "tests/support", "tests/bench"),
}
_SECTION = re.compile(r"(<!-- files -->\n).*?(<!-- end of files -->)", re.DOTALL)


def render(folders: tuple[str, ...]) -> str:
    """Return the tree below some folders as text, one line a file."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    lines = []
    folder = ""
    for name in sorted(listed, key=lambda name: (Path(name).parent.as_posix(), name)):
        duty = _duty(ROOT / name)
        if not duty:
            continue
        parent = Path(name).parent.as_posix()
        if parent != folder:
            folder = parent
            lines.append(f"{folder}/")
        lines.append(f"    {Path(name).name:<28} {duty}")
    return "\n".join(lines)


def section(page: Path) -> str:
    """Return the tree as it stands in a page now."""
    found = _SECTION.search(page.read_text("utf-8"))
    return found.group(0) if found else ""


def expected_section(page: Path) -> str:
    """Return the tree as it should stand in a page."""
    return f"<!-- files -->\n```text\n{render(PAGES[page])}\n```\n<!-- end of files -->"


def _duty(path: Path) -> str:
    """Return the first sentence of a file's docstring or leading comment, without its full stop."""
    if not path.is_file() or path.suffix not in {".py", ".lua", ".cpp", ".hpp"}:
        return ""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        first = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
    elif path.suffix == ".lua":
        first = _comment(text, "--")
    else:
        first = _comment(text, "//")
    sentence = re.split(r"(?<=[.!?])\s", " ".join(first.split()), maxsplit=1)[0]
    return sentence.rstrip(".")


def _comment(text: str, mark: str) -> str:
    lines = []
    for line in text.splitlines():
        if line.startswith(mark):
            lines.append(line.removeprefix(mark).strip())
        elif lines:
            break
    return " ".join(lines)


def refresh(page: Path) -> None:
    """Write the current tree into a page."""
    tree = expected_section(page)
    page.write_text(_SECTION.sub(lambda _: tree, page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    for path in PAGES:
        refresh(path)
