"""The prepared model folder: filled aside, published file by file, and recognised as current without hashing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import ModelFilesError
from common.model_files import MANIFEST_NAME, ModelManifest, sha256_file
from training.base_model import write_json
from training.export import FORMS

STATE_NAME = ".prepared.json"
_STAGING_NAME = ".staging"


class FileStamp(BaseModel):
    """Size and time of a file as it was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file's stamp."""
        status = path.stat()
        return cls(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


class PreparedState(BaseModel):
    """What the folder was made from, and the stamps of what was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    source: str
    source_fingerprint: str
    adapter_sha256: str | None
    packed: bool
    stamps: dict[str, FileStamp]

    def inputs(self) -> tuple[str, str, str | None, bool]:
        """Return what decides whether the folder is current."""
        return self.source, self.source_fingerprint, self.adapter_sha256, self.packed


def read_state(folder: Path) -> PreparedState | None:
    """Return the folder's state, or None if it was never prepared or the record cannot be understood."""
    try:
        return PreparedState.model_validate_json((folder / STATE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def files_unchanged(folder: Path, state: PreparedState) -> bool:
    """Tell whether every published file is still the one that was published.

    Sizes and times decide; a file whose time differs, as after a copy of the folder, is hashed against the manifest.
    """
    try:
        manifest = ModelManifest.read(folder)
        for name, stamp in state.stamps.items():
            now = FileStamp.of(folder / name)
            if now == stamp:
                continue
            if now.size_bytes != stamp.size_bytes or sha256_file(folder / name) != manifest.files.get(name):
                return False
    except (OSError, ModelFilesError):
        return False
    return True


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder on the same file system as the model folder, and remove it at the end."""
    staging = folder / _STAGING_NAME
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(staging: Path, folder: Path, manifest: ModelManifest, state: PreparedState) -> None:
    """Move the staged files into the folder: the manifest goes first and comes last.

    A reader sees the old model, no model, or the new model, and its hashes refuse a mixture. Renaming whole folders
    would be shorter but fails where the folder is a mount. Files that no publication put there stay.
    """
    outdated = _outdated(folder, manifest)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    for path in outdated:
        _remove(path)
    for name in manifest.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(folder / name)
    stamps = {name: FileStamp.of(folder / name) for name in manifest.files}
    write_json(folder / STATE_NAME, state.model_copy(update={"stamps": stamps}).model_dump())
    manifest.write(folder)


def _outdated(folder: Path, manifest: ModelManifest) -> list[Path]:
    """Return what belongs to the model published before: its files, and the forms exported from it."""
    published = _published_names(folder)
    if not published:
        return []
    names = (published - manifest.files.keys()) | {form.target for form in FORMS.values()}
    return [folder / name for name in names]


def _published_names(folder: Path) -> set[str]:
    """Return the names of the last publication's files, none where there was none."""
    state = read_state(folder)
    if state is not None:
        return set(state.stamps)
    try:
        return set(ModelManifest.read(folder).files)
    except ModelFilesError:
        return set()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
