"""The disk that chaos fills: full is full, and cleared it is not."""

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.chaos.fault import Chaos, SkippedError
from tests.chaos.faults_disk import DiskFull
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


async def test_where_nothing_can_be_mounted_the_fault_is_skipped_with_the_reason(tmp_path: Path) -> None:
    # Given a disk that no machine can mount
    small = SmallDisk(tmp_path / "missing", 4)
    small.mount()
    chaos = SimpleNamespace(cluster=SimpleNamespace(disk=small))
    # When it is to be filled, then the fault says why it is not
    assert small.why_not
    with pytest.raises(SkippedError, match=re.escape(small.why_not)):
        await DiskFull().inject(cast(Chaos, chaos))
    small.unmount()
