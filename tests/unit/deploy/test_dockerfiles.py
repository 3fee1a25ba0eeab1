"""The container images: linted, small, unprivileged, and made of files that exist."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.image_size import MEGABYTE, folder_bytes, locked_packages, package_bytes, slimmed_packages

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")
# What images are made of is pinned by digest; the image that only compiles, by its version.
PINNED_BASE = r"python:3\.11\.14-slim-bookworm@sha256:[0-9a-f]{64}|python:3\.11\.14-bookworm"


def instructions(name: str) -> list[tuple[str, str]]:
    """Return (instruction, arguments) pairs with continued lines joined and comments left out."""
    lines = [line for line in (ROOT / name).read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word.upper(), arguments) for word, arguments in pairs]


def is_left_out(path: str) -> bool:
    """Tell whether .dockerignore keeps a file out: the last pattern that fits the path or a folder above it decides.

    By https://docs.docker.com/build/concepts/context/#dockerignore-files.
    """
    left_out = False
    parts = path.split("/")
    prefixes = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            glob = re.escape(pattern.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            glob = glob.replace(r"\[", "[").replace(r"\]", "]")
            if any(re.fullmatch(glob, prefix) for prefix in prefixes):
                left_out = not pattern.startswith("!")
    return left_out


def last(name: str, word: str) -> str:
    return [arguments for instruction, arguments in instructions(name) if instruction == word][-1]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_has_no_complaint(name: str) -> None:
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([program, "--failure-threshold", "style", ROOT / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", DOCKERFILES)
def test_copied_files_exist_and_reach_the_build(name: str) -> None:
    sources = [
        source
        for instruction, arguments in instructions(name)
        if instruction == "COPY" and "--from=" not in arguments
        for source in arguments.split()[:-1]
    ]
    assert sources
    for source in sources:
        path = ROOT / source
        # A folder counts by a file that must be in it.
        file = source if path.is_file() else f"{source}/__init__.py"
        assert (ROOT / file).is_file(), f"{name} copies {source}, which is not there"
        assert not is_left_out(file), f"{name} copies {source}, which .dockerignore leaves out"


def test_secrets_and_data_do_not_reach_the_build() -> None:
    for path in (
        ".env",
        ".git/config",
        ".financellm/model/model.safetensors",
        ".venv/bin/python",
        "tests/conftest.py",
        "api/a.pyc",
    ):
        assert is_left_out(path), path


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_run_unprivileged_in_exec_form_with_a_health_check(name: str) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last(name, "USER"))
    assert json.loads(last(name, "CMD"))[:2] == ["python", "-m"]
    assert isinstance(json.loads(last(name, "HEALTHCHECK").partition("CMD ")[2]), list)
    assert "org.opencontainers.image.licenses" in last(name, "LABEL")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_are_pinned(name: str) -> None:
    bases = [arguments.split()[0] for word, arguments in instructions(name) if word == "FROM"]
    stages = [arguments.split()[-1] for word, arguments in instructions(name) if word == "FROM"]
    for base in bases:
        assert base in stages or "-$" in base or re.fullmatch(PINNED_BASE, base), base


@pytest.mark.parametrize("name", DOCKERFILES)
def test_packages_are_installed_from_the_lock_by_hash(name: str) -> None:
    installs = [
        part for word, text in instructions(name) if word == "RUN" for part in text.split("&&") if "pip" in part
    ]
    locked = [part for part in installs if "--requirement" in part]
    assert locked
    assert all("--require-hashes" in part and "--no-deps" in part for part in locked)


def test_the_gateway_image_has_no_torch_and_needs_no_compiler() -> None:
    text = (ROOT / "Dockerfile.api").read_text("utf-8")
    lock = (ROOT / ".lock" / "api.txt").read_text("utf-8")
    assert "torch" not in text
    assert not re.search(r"^(torch|transformers)==", lock, re.MULTILINE)
    # Without the engine's source the build would fail at CMake
    assert "wheel.cmake=false" in text


@pytest.mark.parametrize(("image", "most_mb"), [("api", 130), ("worker", 220)])
def test_the_packages_of_an_image_stay_small(image: str, most_mb: int) -> None:
    # Given the sizes that the wheels installed here record, then an image's packages keep to their budget
    sizes = {name: package_bytes(name) for name in locked_packages(image)}
    assert len(sizes) > 50
    assert sum(sizes.values()) < most_mb * MEGABYTE, sorted(sizes.items(), key=lambda item: -item[1])[:8]


@pytest.mark.skipif(shutil.which("strip") is None, reason="binutils are not installed: nothing can be stripped")
def test_the_slimmed_gateway_is_small_and_works(tmp_path: Path) -> None:
    """Given the gateway's packages as the Dockerfile slims them, then they load, buckets included, and are small."""
    packages = slimmed_packages(tmp_path)
    assert folder_bytes(packages) < 80 * MEGABYTE
    program = (
        "import api.app, uvloop, hiredis, httptools, s3fs, tokenizers, botocore.session; "
        "uvloop.new_event_loop().close(); "
        "session = botocore.session.get_session(); "
        "session.create_client('s3', 'auto', endpoint_url='http://127.0.0.1:1'); "
        "session.create_client('sts', 'us-east-1')"
    )
    environment = {"PYTHONPATH": f"{packages}:{ROOT}", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_images_can_keep_files_in_a_bucket() -> None:
    # Given services that share no disk, then the lock files of both images are made with the S3 client
    recipe = (ROOT / "Makefile").read_text("utf-8")
    for image in ("api", "worker"):
        line = next(line for line in recipe.splitlines() if f"-o .lock/{image}.txt" in line)
        assert "--extra s3" in line


def test_the_worker_image_is_not_built_without_its_engine() -> None:
    # Given a build that goes on without a compiler, then the image checks that the engine is there
    commands = [arguments for word, arguments in instructions("Dockerfile.worker") if word == "RUN"]
    assert any("import worker.engine.native._native" in arguments for arguments in commands)
