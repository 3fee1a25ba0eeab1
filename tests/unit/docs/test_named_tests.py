"""Tests that the documentation names are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_named_tests_exist(page: Path) -> None:
    # Given a page that says which test holds a claim, then that file has a test of that name
    for file, name in NAMED.findall(page.read_text("utf-8")):
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), f"{file}::{name}"


def test_the_page_about_railway_names_a_test_for_each_difference() -> None:
    table = (ROOT / "docs" / "railway.md").read_text("utf-8").partition("## Laptop and cloud")[2]
    rows = [
        line for line in table.splitlines() if line.startswith("| ") and not line.startswith(("| difference", "| ---"))
    ]
    assert len(rows) >= 10
    assert all(NAMED.search(row) for row in rows)
