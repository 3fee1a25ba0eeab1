"""Answer tables as Parquet files: each column has the type of the part of an answer that it shows."""

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from api.table_files import write_table
from common.queries import QueryQuestion
from tests.unit.collections.test_query_export import failed, row


def parquet(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The types by column and the lines of a file."""
    table = pyarrow.parquet.read_table(path)
    return {field.name: str(field.type) for field in table.schema}, table.to_pylist()


def test_confidences_and_pages_are_numbers(tmp_path: Path) -> None:
    # Given an answered row and a failed one, when written, then numbers are numbers and the rest is text
    write_table(tmp_path / "out.parquet", iter([row("a.pdf", "revenue"), failed("b.pdf", "revenue")]), None)
    types, lines = parquet(tmp_path / "out.parquet")
    assert {name: kind for name, kind in types.items() if kind != "string"} == {
        "index": "int64",
        "confidence": "double",
        "page": "int64",
    }
    assert [(line["confidence"], line["page"], line["answer"]) for line in lines] == [
        (0.97, 7, "$5 million"),
        (None, None, None),
    ]


@pytest.mark.parametrize("name", ["revenue", "index", "page", "confidence", "x_page", "x_confidence"])
def test_a_question_may_be_called_like_a_number(tmp_path: Path, name: str) -> None:
    # Given a question whose id reads like a column of numbers, when written wide, then its answer is text
    write_table(tmp_path / "out.parquet", iter([row("a.pdf", name)]), [QueryQuestion(id=name, text="?")])
    types, lines = parquet(tmp_path / "out.parquet")
    assert (types[name], types[f"{name}_confidence"], types[f"{name}_page"]) == ("string", "double", "int64")
    assert (lines[0][name], lines[0][f"{name}_confidence"], lines[0][f"{name}_page"]) == ("$5 million", 0.97, 7)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx"])
def test_the_other_formats_take_confidences_too(tmp_path: Path, suffix: str) -> None:
    for wide in (None, [QueryQuestion(id="revenue", text="?")]):
        write_table(tmp_path / f"out{suffix}", iter([row("a.pdf", "revenue")]), wide)
        assert (tmp_path / f"out{suffix}").stat().st_size
