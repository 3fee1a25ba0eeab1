"""The documentation's tree of files is the one that exists."""

from pathlib import Path

import pytest

from tests.support.file_tree import PAGES, expected_section, section


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tree_in_the_docs_is_current(page: Path) -> None:
    # Given the tree read from the files, then the page shows the same
    assert section(page) == expected_section(page), "run `python -m tests.support.file_tree`"
