"""Workers on a real Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.worker_process import QUICK_LEASES, Workers


@pytest.fixture
def workers(redis_url: str, tmp_path: Path) -> Iterator[Workers]:
    """Workers with short leases and the fake engine; none is started yet."""
    with Workers(redis_url, tmp_path, QUICK_LEASES) as running:
        yield running
