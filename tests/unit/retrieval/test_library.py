"""What a library keeps in memory never stands for what its store has lost."""

from pathlib import Path

import pytest

from common.pages import Document, document_key
from worker.retrieval import library as library_module
from worker.retrieval.blobs import FolderBlobs
from worker.retrieval.library import Entry, Library
from worker.retrieval.limits import ParseLimits
from worker.retrieval.parse import parse_document

DATA = b"Total assets were 12 million at the end of 2022."


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files parsed so far, in this process."""
    names: list[str] = []

    def parse(name: str, data: bytes, _limits: ParseLimits) -> Document:
        names.append(name)
        return parse_document(name, data)

    monkeypatch.setattr(library_module, "parse_isolated", parse)
    return names


def stored(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_document_deleted_and_added_again_is_written_again(tmp_path: Path, parsed: list[str]) -> None:
    """Given a document whose files were deleted, when the same library adds it again, then others find its pages."""
    library = Library(FolderBlobs(tmp_path))
    address = library.add("a.txt", DATA).address
    written = stored(tmp_path)
    for path in written:
        path.unlink()

    library.add("b.txt", DATA)

    assert stored(tmp_path) == written
    assert parsed == ["a.txt", "b.txt"]
    hits = Library(FolderBlobs(tmp_path)).search("What are total assets?", [Entry(address, "b.txt")])
    assert [hit.page for hit in hits] == [1]


def test_only_what_is_lost_is_made_again(tmp_path: Path, parsed: list[str]) -> None:
    """Given a document whose index was deleted, when it is added again, then it is indexed but not parsed again."""
    library = Library(FolderBlobs(tmp_path))
    address = library.add("a.txt", DATA).address
    written = stored(tmp_path)
    next(path for path in written if path != tmp_path / document_key(address)).unlink()

    library.add("a.txt", DATA)

    assert stored(tmp_path) == written
    assert parsed == ["a.txt"]
