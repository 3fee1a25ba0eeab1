"""The packed model file: a JSON header and page-aligned tensors that the engine maps as they are.

Layout: 8 bytes magic, 8 bytes little-endian header length, 32 bytes sha256 of the header, the header (UTF-8 JSON),
then the tensors, each at a multiple of 4,096 bytes.
"""

import hashlib
import json
import mmap
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from common.errors import ModelFilesError
from worker.engine.native.config import ModelConfig

PACKED_NAME = "packed.int8"
MAGIC = b"FLMPACK\x01"
FORMAT = 1
PAGE_BYTES = 4096
_PREFIX = struct.Struct("<8sQ32s")
_MAX_HEADER_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where one tensor lies in the file and what it is; `dtype` is int8, int32, float32 or bfloat16."""

    offset: int
    size: int
    dtype: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class PackedHeader:
    """What a packed file says about itself; `source_sha256` names the files it was made from."""

    config: ModelConfig
    source_sha256: dict[str, str]
    tensors: dict[str, TensorEntry]

    def to_json(self) -> bytes:
        """Return the header as it stands in the file."""
        content = {
            "format": FORMAT,
            "config": asdict(self.config),
            "source_sha256": self.source_sha256,
            "tensors": {name: asdict(entry) for name, entry in self.tensors.items()},
        }
        return json.dumps(content, separators=(",", ":")).encode()

    def locations(self) -> dict[str, tuple[int, int]]:
        """Return (offset, size) in bytes by tensor name."""
        return {name: (entry.offset, entry.size) for name, entry in self.tensors.items()}


def aligned(offset: int) -> int:
    """Return the next multiple of the page size."""
    return -(-offset // PAGE_BYTES) * PAGE_BYTES


def read_header(path: Path) -> PackedHeader:
    """Read and check the header; raises ModelFilesError if the file is missing, foreign, cut short or changed."""
    try:
        with path.open("rb") as file:
            prefix = file.read(_PREFIX.size)
            if len(prefix) < _PREFIX.size or not prefix.startswith(MAGIC[:7]):
                raise ModelFilesError(f"{path} is not a packed model. Run `financellm model prepare`.")
            magic, length, digest = _PREFIX.unpack(prefix)
            if magic != MAGIC or length > _MAX_HEADER_BYTES:
                raise ModelFilesError(f"{path} was packed by another version. Run `financellm model prepare --force`.")
            raw = file.read(length)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise ModelFilesError(f"{path} is missing. Run `financellm model prepare`.") from error
    if hashlib.sha256(raw).digest() != digest:
        raise ModelFilesError(f"The header of {path} was changed or cut. Run `financellm model prepare --force`.")
    header = _parse(json.loads(raw))
    end = max(entry.offset + entry.size for entry in header.tensors.values())
    if end > size:
        raise ModelFilesError(f"{path} has {size} bytes, its header needs {end}: it was cut. Pack it again.")
    return header


def verify_tensors(path: Path, header: PackedHeader) -> None:
    """Hash every tensor on several threads; raises ModelFilesError naming the first that differs."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
        ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool,
    ):

        def digest(entry: TensorEntry) -> str:
            with view[entry.offset : entry.offset + entry.size] as part:
                return hashlib.sha256(part).hexdigest()

        actual = pool.map(digest, header.tensors.values())
        for (name, entry), found in zip(header.tensors.items(), actual, strict=True):
            if found != entry.sha256:
                raise ModelFilesError(
                    f"{path}: tensor {name} has sha256 {found}, its header says {entry.sha256}. "
                    "The file is corrupt; run `financellm model prepare --force`."
                )


def write_header(file: BinaryIO, header: PackedHeader) -> None:
    """Write magic, length, hash and header at the start of the file; the tensors are already in place."""
    raw = header.to_json()
    first = min(entry.offset for entry in header.tensors.values())
    if _PREFIX.size + len(raw) > first:
        raise ModelFilesError(f"The header takes {len(raw)} bytes but the first tensor starts at {first}.")
    file.seek(0)
    file.write(_PREFIX.pack(MAGIC, len(raw), hashlib.sha256(raw).digest()))
    file.write(raw)


def _parse(content: dict[str, Any]) -> PackedHeader:
    if content.get("format") != FORMAT:
        raise ModelFilesError(f"The packed model has format {content.get('format')}, this engine reads {FORMAT}.")
    return PackedHeader(
        config=ModelConfig(**content["config"]),
        source_sha256=content["source_sha256"],
        tensors={
            name: TensorEntry(**{**entry, "shape": tuple(entry["shape"])}) for name, entry in content["tensors"].items()
        },
    )
