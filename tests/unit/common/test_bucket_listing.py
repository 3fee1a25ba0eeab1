"""What is asked of a bucket, which other processes write too."""

import io

import pytest

from common.files import FileStore


def test_a_bucket_keeps_no_listing() -> None:
    """Given a store on S3, when it lists a folder, then nothing is kept that hides what others write there."""
    system = FileStore("s3://bucket/files")._system
    system.dircache["bucket/files/plans"] = []
    assert "bucket/files/plans" not in system.dircache


def test_a_write_creates_no_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a store on S3, when a file is written, then only the file is, for a mistyped bucket must not be created."""
    store = FileStore("s3://bucket/files")
    written = io.BytesIO()
    calls: list[tuple[str, ...]] = []

    def opened(*call: str) -> io.BytesIO:
        calls.append(call)
        return written

    monkeypatch.setattr(store._system, "makedirs", lambda path, **_options: calls.append(("makedirs", path)))
    monkeypatch.setattr(store._system, "open", opened)
    store.write("plans/a", b"plan")
    assert calls == [("bucket/files/plans/a", "wb")]
    assert written.closed
