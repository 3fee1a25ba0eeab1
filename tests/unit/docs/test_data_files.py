"""The documentation's table of data files is what curation knows."""

from pathlib import Path

from training import sources
from training.sources import Source

PAGE = Path(__file__).resolve().parents[3] / "docs" / "training.md"


def known() -> list[Source]:
    """Every source that the module names, by itself or in a group."""
    values = vars(sources).values()
    groups = [value if isinstance(value, tuple) else (value,) for value in values]
    return [source for group in groups for source in group if isinstance(source, Source)]


def row(source: Source) -> str:
    return f"| {source.path} | {source.origin} | {source.licence} | {'yes' if source.trainable else 'no'} |"


def test_the_table_of_data_files_is_current() -> None:
    # Given the table below its heading
    section = PAGE.read_text("utf-8").partition("### Data files\n")[2].partition("\n### ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    # Then it has a row for each file that curation reads, and no other
    assert sorted(rows) == sorted(row(source) for source in known())
