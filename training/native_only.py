"""Leaves of a prepared model what the native engine reads, for images: `python -m training.native_only`."""

from pathlib import Path

from common.errors import ModelFilesError
from common.model_files import WEIGHTS_NAME, ModelManifest
from common.settings import get_settings
from training.model_folder import STATE_NAME

PACKED_NAME = "packed.int8"


def drop_unpacked_weights(folder: Path) -> int:
    """Remove the 16-bit weights beside packed ones, from the manifest too; return the bytes freed.

    The revision stays, because the answers do; the folder can only be prepared again, not brought up to date.
    Raises ModelFilesError if there are no packed weights.
    """
    manifest = ModelManifest.read(folder)
    if PACKED_NAME not in manifest.files:
        raise ModelFilesError(f"{folder} has no {PACKED_NAME}, so no engine could serve it without {WEIGHTS_NAME}.")
    weights = folder / WEIGHTS_NAME
    freed_bytes = weights.stat().st_size if weights.is_file() else 0
    kept = {name: digest for name, digest in manifest.files.items() if name != WEIGHTS_NAME}
    manifest.model_copy(update={"files": kept}).write(folder)
    weights.unlink(missing_ok=True)
    (folder / STATE_NAME).unlink(missing_ok=True)
    return freed_bytes


if __name__ == "__main__":
    freed = drop_unpacked_weights(get_settings().model_path)
    print(f"Removed {freed / 1_000_000:.0f} MB of weights that the native engine does not read.")
