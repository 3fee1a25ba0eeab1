"""A tiny random model, packed once a session."""

from pathlib import Path

import pytest

from tests.unit.native.tiny import write_tiny
from worker.engine.native.pack import pack

pytest.importorskip("worker.engine.native._native", reason="the native engine is not compiled")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a packed tiny model."""
    folder = tmp_path_factory.mktemp("tiny-model")
    write_tiny(folder)
    pack(folder)
    return folder
