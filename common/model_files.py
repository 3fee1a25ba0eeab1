"""The manifest beside prepared weights: what was merged, and the hashes a worker checks before it serves them."""

import hashlib
import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import ModelFilesError

MANIFEST_NAME = "model.json"
WEIGHTS_NAME = "model.safetensors"
TOKENIZER_NAME = "tokenizer.json"
CONFIG_NAME = "config.json"


class ModelManifest(BaseModel):
    """Content of model.json.

    `revision` is the first 12 hex digits of a sha256 over weights, config and tokenizer hashes, so equal files have
    equal revisions. `files` maps each file name to its sha256. `scores` are the adapter's measured results, if any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    base: str
    base_sha256: str
    adapter: str | None
    adapter_sha256: str | None
    revision: str
    tokenizer_sha256: str
    files: dict[str, str]
    created_at: str
    scores: dict[str, float] = {}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read folder/model.json; raises ModelFilesError if it is missing or malformed."""
        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise ModelFilesError(f"{folder} holds no prepared model. Run `financellm model prepare`.")
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ModelFilesError(f"{path} is not a valid model manifest: {error}") from error

    def write(self, folder: Path) -> None:
        """Write folder/model.json, replacing it whole."""
        temporary = folder / f".{MANIFEST_NAME}.tmp"
        temporary.write_text(json.dumps(self.model_dump(), indent=2) + "\n", encoding="utf-8")
        temporary.replace(folder / MANIFEST_NAME)

    def verify(self, folder: Path) -> None:
        """Hash every listed file; raises ModelFilesError naming the first one that is missing or differs."""
        for name, expected in self.files.items():
            path = folder / name
            if not path.is_file():
                raise ModelFilesError(f"{path} is missing. Run `financellm model prepare`.")
            actual = sha256_file(path)
            if actual != expected:
                raise ModelFilesError(
                    f"{path} has sha256 {actual} but its manifest says {expected}. "
                    "The file changed after it was prepared; run `financellm model prepare --force`."
                )


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def revision_of(file_hashes: dict[str, str]) -> str:
    """Return the revision that stands for exactly these files."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(file_hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]
