"""Zip archives, friendly and hostile."""

import io
import zipfile

import pytest

from api.archives import ArchiveError, ArchiveLimits, archive_files, directory_bytes, is_archive

LIMITS = ArchiveLimits(max_files=10, max_file_bytes=50 << 20, max_total_bytes=100 << 20)


def _zip(**files: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("sub__", "sub/"), data)
    file.seek(0)
    return file


def _read(file: io.BytesIO, limits: ArchiveLimits = LIMITS) -> list[tuple[str, bytes | str]]:
    found: list[tuple[str, bytes | str]] = []
    for entry in archive_files(file, limits):
        if entry.content is None:
            assert entry.error is not None
            found.append((entry.name, entry.error.code))
        else:
            found.append((entry.name, entry.content.read()))
    return found


def test_files_keep_their_names_and_system_files_are_left_out() -> None:
    """Given an archive of a folder, when it is opened, then its reports come with their paths and nothing else."""
    file = _zip(
        **{"a.pdf": b"1", "sub/b.html": b"2", "sub/.DS_Store": b"x", "/MACOSX/._a.pdf": b"x", "Thumbs.db": b"x"}
    )
    names = [name for name, _ in _read(file)]
    assert names[:2] == ["a.pdf", "sub/b.html"]
    assert "sub/.DS_Store" not in names
    assert "Thumbs.db" not in names


def test_entries_that_lead_outside_are_refused_by_name() -> None:
    """Given traversing and absolute names, when opened, then each is told and the good file comes all the same."""
    file = _zip(**{"../../etc/passwd": b"x", "/root/key": b"x", "..\\up.pdf": b"x", "good.txt": b"fine"})
    assert dict(_read(file)) == {
        "passwd": "document_unsafe_name",
        "key": "document_unsafe_name",
        "up.pdf": "document_unsafe_name",
        "good.txt": b"fine",
    }


def test_bombs_and_giants_are_refused_before_they_are_unpacked() -> None:
    """Given an entry of zeros and one over the limit, when opened, then neither is unpacked."""
    file = _zip(bomb=bytes(20 << 20), giant=bytes(60 << 20))
    assert _read(file) == [("bomb", "document_suspicious"), ("giant", "document_too_large")]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (ArchiveLimits(1, 100, 100), "archive_too_large"),
        (ArchiveLimits(10, 100, 15), "archive_too_large"),
    ],
)
def test_too_many_files_or_bytes_are_refused(limits: ArchiveLimits, code: str) -> None:
    """Given two files of ten bytes, when the archive passes a limit, then it is refused with the limit."""
    with pytest.raises(ArchiveError) as caught:
        _read(_zip(a=b"0123456789", b=b"0123456789"), limits)
    assert caught.value.error.code == code


def test_a_damaged_archive_is_said_to_be_one() -> None:
    """Given an archive whose content was changed, when it is read, then it is said to be damaged."""
    data = bytearray(_zip(a=b"0123456789" * 100).getvalue())
    data[0:4] = b"xxxx"
    with pytest.raises(ArchiveError) as caught:
        _read(io.BytesIO(bytes(data)))
    assert caught.value.error.code == "archive_damaged"


def test_office_documents_are_no_archives() -> None:
    """Given zip files by content, when asked, then only plain ones named .zip are unpacked."""
    assert is_archive("reports.zip", _zip(a=b"1"))
    assert not is_archive("table.xlsx", _zip(**{"[Content_Types].xml": b"1"}))
    assert not is_archive("renamed.zip", _zip(**{"[Content_Types].xml": b"1"}))
    assert not is_archive("a.zip", io.BytesIO(b"no zip"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bound_are_refused(method: int) -> None:
    """Given an entry packed by a method whose pieces cannot be bounded, when opened, then it is refused by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.txt", b"Revenue 5")
    assert _read(file) == [("a.txt", "document_compression")]


def test_a_giant_directory_is_refused_before_it_is_read() -> None:
    """Given an archive whose directory says it has gigabytes, when it is opened, then it is refused by that word."""
    data = bytearray(_zip(a=b"1").getvalue())
    end = data.rindex(b"PK\x05\x06")
    data[end + 12 : end + 16] = (3 << 30).to_bytes(4, "little")
    assert directory_bytes(io.BytesIO(bytes(data))) == 3 << 30
    with pytest.raises(ArchiveError) as caught:
        _read(io.BytesIO(bytes(data)))
    assert caught.value.error.code == "archive_too_large"


def test_the_size_of_a_directory_is_found_in_the_large_format_too() -> None:
    """Given the records of the 64-bit format, when the directory's size is asked for, then theirs counts."""
    large = b"PK\x06\x06" + bytes(36) + (1 << 40).to_bytes(8, "little") + bytes(8)
    end = b"PK\x05\x06" + bytes(8) + b"\xff\xff\xff\xff" + bytes(6)
    assert directory_bytes(io.BytesIO(large + b"PK\x06\x07" + bytes(16) + end)) == 1 << 40
    assert directory_bytes(io.BytesIO(b"no archive")) == 0


def test_long_names_are_cut_to_their_end() -> None:
    """Given a name of thousands of characters, when opened, then its end is kept, with what the file is."""
    ((name, data),) = _read(_zip(**{"x" * 5_000 + ".txt": b"fine"}))
    assert (len(name), name[-4:], data) == (512, ".txt", b"fine")


def test_names_that_are_no_text_are_damage() -> None:
    """Given an archive whose names say they are UTF-8 and are not, when opened, then it is said to be damaged."""
    data = _zip(**{"\u00e4\u00e4.txt": b"fine"}).getvalue().replace("\u00e4\u00e4".encode(), b"\xff\xff\xff\xff")
    assert is_archive("a.zip", io.BytesIO(data))
    with pytest.raises(ArchiveError) as caught:
        _read(io.BytesIO(data))
    assert caught.value.error.code == "archive_damaged"
