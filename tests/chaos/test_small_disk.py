"""The disk that chaos fills: full is full, and cleared it is not."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.small_disk import SmallDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    small = SmallDisk(tmp_path, 4)
    small.mount()
    if small.why_not is not None:
        pytest.skip(f"nothing may be mounted here: {small.why_not}")
    yield small
    small.unmount()


def test_a_full_disk_takes_nothing_until_it_is_cleared(disk: SmallDisk) -> None:
    # Given a disk with a file, filled
    kept = disk.folder / "kept"
    kept.write_bytes(b"kept")
    disk.fill()
    # When something is written, then there is no room for it
    with pytest.raises(OSError, match="No space") as caught:
        (disk.folder / "new").write_bytes(b"new")
    assert caught.value.errno == errno.ENOSPC
    # And with room again it is written, and nothing was lost
    disk.clear()
    (disk.folder / "new").write_bytes(b"new")
    assert kept.read_bytes() == b"kept"
