"""The prepared folder: built once, rebuilt when an input changes, never half there."""

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from common.errors import ModelFilesError
from common.model_files import ModelManifest
from common.settings import get_settings
from tests.unit.model import tiny
from tests.unit.model.progress import RecordedProgress
from training import model_folder, prepare
from training.base_model import parse_source
from training.prepare import Request, find_packer, resolve_adapter


class Workbench:
    """A source folder, a data folder and a model folder, and prepare() over them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = tiny.write_folder(root / "tiny")
        self.model_dir = root / "data" / "model"
        self.progress = RecordedProgress()

    def run(
        self, adapter: Path | None = None, packer: tuple[str, ...] | None = None, *, force: bool = False
    ) -> ModelManifest:
        self.progress = RecordedProgress()
        request = Request(
            source=parse_source(str(self.source)),
            adapter=adapter,
            data_dir=self.root / "data",
            model_dir=self.model_dir,
            packer=packer,
            force=force,
        )
        return prepare.prepare(request, self.progress)

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.model_dir.iterdir() if not path.name.startswith(".")}


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


def test_the_folder_is_whole_and_verifies(bench: Workbench) -> None:
    """Given a source, when prepared, then manifest and hashes fit, stages are reported in full, nothing is left."""
    manifest = bench.run()
    assert ModelManifest.read(bench.model_dir) == manifest
    manifest.verify(bench.model_dir)
    assert bench.names == {"model.json", "model.safetensors", "config.json", "tokenizer.json"}
    assert (manifest.name, manifest.adapter, manifest.scores) == ("tiny", None, {})
    assert manifest.base_sha256 == manifest.files["model.safetensors"]
    assert bench.progress.done_bytes == bench.progress.total_bytes
    assert not (bench.model_dir / ".staging").exists()
    assert any("Packing skipped" in note for note in bench.progress.notes)


def test_weights_without_an_adapter_are_kept_once_on_disk(bench: Workbench) -> None:
    """Given no adapter, when prepared, then model and cache share the bytes of the weights."""
    bench.run()
    (cached,) = (bench.root / "data" / "base").glob("*/model.safetensors")
    assert cached.samefile(bench.model_dir / "model.safetensors")


def test_a_second_run_reads_no_weights(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a current folder, when prepared again, then nothing is hashed, built or locked."""
    first = bench.run()

    def forbidden(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a current folder must not be touched")

    for module, name in ((model_folder, "sha256_file"), (prepare, "ensure_base"), (prepare, "FileLock")):
        monkeypatch.setattr(module, name, forbidden)
    assert bench.run() == first
    assert bench.progress.done_bytes == {}


def test_a_new_adapter_merges_over_the_cached_base(bench: Workbench) -> None:
    """Given a prepared base, when an adapter comes, changes, and goes, then only merging is done again."""
    bare = bench.run()
    adapter = tiny.write_adapter(bench.root / "adapters" / "v1")
    (adapter / "training.json").write_text(json.dumps({"scores": {"tatqa_f1": 41.5}}))
    merged = bench.run(adapter)
    assert set(bench.progress.done_bytes) == {"Merging adapter"}
    assert bench.progress.done_bytes == bench.progress.total_bytes
    assert (merged.name, merged.adapter, merged.scores) == ("tiny+v1", "v1", {"tatqa_f1": 41.5})
    assert merged.base_sha256 == bare.base_sha256
    assert merged.revision != bare.revision
    merged.verify(bench.model_dir)

    tiny.write_adapter(adapter, seed=2)
    changed = bench.run(adapter)
    assert changed.revision not in {bare.revision, merged.revision}
    assert bench.run().revision == bare.revision
    assert (bench.model_dir / "model.safetensors").stat().st_nlink == 2


def test_an_adapter_of_another_base_is_refused(bench: Workbench) -> None:
    """Given an adapter that names the base it was trained on, when the base is another, then it is refused."""
    manifest = bench.run()
    adapter = tiny.write_adapter(bench.root / "adapter")
    (adapter / "training.json").write_text(json.dumps({"base_sha256": "0" * 64}))
    with pytest.raises(ModelFilesError, match="trained on base weights with sha256 0000"):
        bench.run(adapter)
    (adapter / "training.json").write_text(json.dumps({"base_sha256": manifest.base_sha256}))
    assert bench.run(adapter).adapter == "adapter"


@pytest.mark.parametrize("scores", [[1], {"f1": "high"}, {"f1": True}, {"f1": float("nan")}])
def test_scores_that_are_no_numbers_are_refused(bench: Workbench, scores: object) -> None:
    """Given a training record with other than numbers, when prepared, then the record is named."""
    adapter = tiny.write_adapter(bench.root / "adapter")
    (adapter / "training.json").write_text(json.dumps({"scores": scores}))
    with pytest.raises(ModelFilesError, match=r"training\.json"):
        bench.run(adapter)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_removed_or_changed_file_is_made_again(bench: Workbench, name: str) -> None:
    """Given a published file that is gone or was replaced, when prepared again, then the folder is whole again."""
    first = bench.run()
    (bench.model_dir / name).unlink()
    assert bench.run().files == first.files
    (bench.model_dir / name).unlink()
    (bench.model_dir / name).write_bytes(b"other")
    bench.run().verify(bench.model_dir)


def test_force_repairs_weights_changed_in_place(bench: Workbench) -> None:
    """Given weights changed in place, and so in the linked cache, when forced, then both are made again."""
    manifest = bench.run()
    with (bench.model_dir / "model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\xff\xff\xff\xff")
    with pytest.raises(ModelFilesError, match="--force"):
        manifest.verify(bench.model_dir)
    bench.run(force=True).verify(bench.model_dir)


def test_a_copied_folder_is_recognised(bench: Workbench) -> None:
    """Given a copy of the folder with other file times, when prepared there, then nothing is built."""
    first = bench.run()
    copy = bench.root / "elsewhere"
    shutil.copytree(bench.model_dir, copy, copy_function=shutil.copyfile)
    bench.model_dir = copy
    assert bench.run() == first
    assert bench.progress.done_bytes == {}


def test_a_failure_keeps_the_old_model_and_leaves_no_temporaries(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a prepared model, when building the next one is interrupted, then the old one still verifies."""
    first = bench.run()

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "merge_adapter", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.run(tiny.write_adapter(bench.root / "adapter"))
    assert ModelManifest.read(bench.model_dir) == first
    first.verify(bench.model_dir)
    assert not (bench.model_dir / ".staging").exists()


def test_a_crash_while_publishing_is_never_served(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a crash between two files, then no manifest is there to serve a mixture, and the next run repairs it."""
    bench.run()
    adapter = tiny.write_adapter(bench.root / "adapter")
    moved = Path.replace

    def crash_at_config(self: Path, target: Path) -> Path:
        if self.name == "config.json" and ".staging" in self.parts:
            raise OSError("power cut")
        return moved(self, target)

    monkeypatch.setattr(Path, "replace", crash_at_config)
    with pytest.raises(OSError, match="power cut"):
        bench.run(adapter)
    monkeypatch.undo()
    with pytest.raises(ModelFilesError, match="no prepared model"):
        ModelManifest.read(bench.model_dir)
    bench.run(adapter).verify(bench.model_dir)


def test_two_preparations_take_turns(bench: Workbench) -> None:
    """Given another preparation at work, when this one starts, then it says so, waits, and goes on when that ends."""
    bench.model_dir.mkdir(parents=True)
    other = FileLock(bench.model_dir / ".prepare.lock")
    other.acquire()
    worker = threading.Thread(target=bench.run)
    worker.start()
    worker.join(0.5)
    assert worker.is_alive()
    assert not (bench.model_dir / "model.json").exists()
    other.release()
    worker.join(30)
    assert (bench.model_dir / "model.json").exists()
    assert any("waiting" in note for note in bench.progress.notes)


def _write_packer(root: Path, body: str) -> tuple[str, ...]:
    script = root / "pack.py"
    script.write_text(body)
    return (sys.executable, str(script))


def test_the_packer_runs_on_the_staged_model_and_its_files_are_listed(bench: Workbench) -> None:
    """Given a packer module, when prepared, then it sees a whole model and what it writes is hashed in the manifest."""
    unpacked = bench.run()
    packer = _write_packer(
        bench.root,
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--model-dir') + 1])\n"
        "assert (folder / 'model.json').is_file() and (folder / 'model.safetensors').is_file()\n"
        "(folder / 'packed').mkdir()\n"
        "(folder / 'packed' / 'weights.bin').write_bytes(b'packed')\n",
    )
    packed = bench.run(packer=packer)
    assert packed.files.keys() - unpacked.files.keys() == {"packed/weights.bin"}
    assert packed.revision == unpacked.revision
    packed.verify(bench.model_dir)
    bench.run(packer=packer)
    assert bench.progress.done_bytes == {}


def test_a_failing_packer_is_shown_with_its_words(bench: Workbench) -> None:
    """Given a packer that fails, when prepared, then its output is in the error and no model is published."""
    packer = _write_packer(bench.root, "raise SystemExit('no AVX2 here')")
    with pytest.raises(ModelFilesError, match=r"could not pack .*no AVX2 here"):
        bench.run(packer=packer)
    assert not (bench.model_dir / "model.json").exists()


def test_no_packer_is_found_where_there_is_none(tmp_path: Path) -> None:
    """Given a tree without the native engine, then there is nothing to start."""
    assert find_packer(tmp_path) is None


def test_source_and_target_must_differ(bench: Workbench) -> None:
    """Given the source folder as target, when prepared, then it is refused before anything is replaced."""
    bench.model_dir = bench.source
    with pytest.raises(ModelFilesError, match="both source and target"):
        bench.run()


def test_a_source_under_home_is_the_same_folder(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the source named with ~ and the same folder as target, when prepared, then it is refused as well."""
    monkeypatch.setenv("HOME", str(bench.root))
    source = bench.source
    bench.model_dir, bench.source = source, Path("~") / source.name
    with pytest.raises(ModelFilesError, match="both source and target"):
        bench.run()


def test_files_of_others_stay(bench: Workbench) -> None:
    """Given a folder that holds other models, when one is prepared there twice, then nothing of theirs is touched."""
    foreign = [bench.model_dir / name for name in ("mistral.gguf", "q8_0.gguf", "openvino/model.bin")]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"theirs")
    bench.run()
    assert [path.read_bytes() for path in foreign] == [b"theirs"] * 3
    bench.run(tiny.write_adapter(bench.root / "adapter"))
    assert foreign[0].read_bytes() == b"theirs"


@pytest.mark.parametrize("gone", [None, model_folder.STATE_NAME])
def test_exports_of_the_old_model_go_with_it(bench: Workbench, gone: str | None) -> None:
    """Given a model exported for other engines, when another is published, then none of them serves the old one."""
    bench.run()
    (bench.model_dir / "q8_0.gguf").write_bytes(b"old")
    for name in ("openvino", "onnxruntime"):
        (bench.model_dir / name).mkdir()
        (bench.model_dir / name / "model.bin").write_bytes(b"old")
    if gone is not None:
        (bench.model_dir / gone).unlink()
    bench.run()
    exported = {"openvino", "onnxruntime", "q8_0.gguf"}
    assert exported & bench.names == (exported if gone is None else set())

    bench.run(tiny.write_adapter(bench.root / "adapter"))
    assert bench.names == {"model.json", "model.safetensors", "config.json", "tokenizer.json"}


def test_files_the_new_model_lacks_are_removed(bench: Workbench) -> None:
    """Given a packed model, when it is prepared without a packer, then the packed weights are gone."""
    packer = _write_packer(
        bench.root,
        "import pathlib, sys\n"
        "(pathlib.Path(sys.argv[sys.argv.index('--model-dir') + 1]) / 'packed.int8').write_bytes(b'packed')\n",
    )
    bench.run(packer=packer)
    assert "packed.int8" in bench.names
    bench.run()
    assert "packed.int8" not in bench.names


def test_adapter_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given auto, none, a folder, or a typo, then the shipped adapter, none, the folder, or an error comes out."""
    monkeypatch.setattr(prepare, "DEFAULT_ADAPTER", tmp_path / "default")
    assert resolve_adapter("auto") is None
    (tmp_path / "default").mkdir()
    assert resolve_adapter("auto") == tmp_path / "default"
    assert resolve_adapter("none") is None
    assert resolve_adapter(str(tmp_path)) == tmp_path
    with pytest.raises(ModelFilesError, match="no adapter folder typo"):
        resolve_adapter("typo")


def test_the_command_reports_and_returns_codes(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given the command line, when it works or fails, then it prints one line and returns 0 or 1."""
    monkeypatch.setenv("FINANCELLM_DATA_DIR", str(bench.root / "data"))
    get_settings.cache_clear()
    try:
        folder = str(bench.root / "[model]")
        arguments = ["--source", str(bench.source), "--adapter", "none", "--model-dir", folder]
        monkeypatch.setattr(prepare, "find_packer", lambda root: None)
        assert prepare.main(arguments) == 0
        assert f"{folder} holds tiny, revision" in capsys.readouterr().out
        assert prepare.main([*arguments[:1], "no such", *arguments[2:]]) == 1
        assert "model_files_error: 'no such' is no model source" in capsys.readouterr().err
    finally:
        get_settings.cache_clear()
