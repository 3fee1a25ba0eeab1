"""How each peer is installed: a recipe is a list of commands and can be read without running it."""

import hashlib
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers.places import LOCKS, PEERS, interpreter

TORCH = "2.13.0"
# llama.cpp's AMX path crashes, so the compiler is not allowed those instructions.
_NO_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
_PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", "--no-deps")


@dataclass(frozen=True, slots=True)
class Recipe:
    """An environment: its name, which is also its lock's, what must import at the end, and what it needs beside."""

    name: str
    modules: tuple[str, ...]
    torch: bool = False
    source: bool = False

    @property
    def lock(self) -> Path:
        """The pinned packages with their hashes."""
        return LOCKS / f"{self.name}.txt"

    @property
    def source_lock(self) -> Path:
        """The pinned source archive that is built on this machine."""
        return LOCKS / f"{self.name}-source.txt"


RECIPES = (
    Recipe("vllm", ("vllm", "compressed_tensors", "torch"), torch=True),
    Recipe("openvino", ("openvino", "openvino_genai")),
    Recipe("openvino-export", ("optimum.intel", "nncf", "openvino_tokenizers", "torch"), torch=True),
    Recipe("llamacpp", ("llama_cpp",), source=True),
)


def stamp(recipe: Recipe) -> Path:
    """Return the file that exists when exactly these packages were installed and built here."""
    content = recipe.lock.read_bytes() + repr((platform.python_version(), TORCH if recipe.torch else None)).encode()
    if recipe.source:
        build = build_commands(recipe, Path("source"), Path("build"), jobs=1)
        content += recipe.source_lock.read_bytes() + repr(build).encode()
    return PEERS / recipe.name / f".installed-{hashlib.sha256(content).hexdigest()[:16]}"


def install_commands(recipe: Recipe, base_python: str) -> list[list[str]]:
    """Return the commands that make the environment and install the locked packages, torch left out."""
    python = str(interpreter(recipe.name))
    return [
        [base_python, "-m", "venv", "--clear", str(PEERS / recipe.name)],
        [python, *_PIP, "--require-hashes", "--requirement", str(recipe.lock)],
    ]


def torch_commands(recipe: Recipe, torch_index: str) -> list[list[str]]:
    """Return the commands that bring the CPU build of torch, to be tried in turn."""
    python = str(interpreter(recipe.name))
    return [
        [python, *_PIP, f"torch=={TORCH}+cpu"],
        [python, *_PIP, "--index-url", torch_index, f"torch=={TORCH}"],
    ]


def check_command(recipe: Recipe) -> list[str]:
    """Return the command that proves the environment works."""
    lines = "; ".join(f"import {module}" for module in recipe.modules)
    return [str(interpreter(recipe.name)), "-c", lines]


def download_command(recipe: Recipe, folder: Path) -> list[str]:
    """Return the command that fetches the source archive."""
    return [
        str(interpreter(recipe.name)), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
        "--no-build-isolation", "--no-binary", ":all:", "--require-hashes", "--requirement", str(recipe.source_lock),
        "--dest", str(folder),
    ]  # fmt: skip


def bindings_command(recipe: Recipe, source: Path) -> list[str]:
    """Return the command that installs llama.cpp's Python bindings without its library."""
    settings = ("LLAMA_BUILD=OFF", "LLAVA_BUILD=OFF")
    options = [option for setting in settings for option in ("--config-settings", f"cmake.define.{setting}")]
    return [str(interpreter(recipe.name)), *_PIP, "--no-build-isolation", *options, str(source)]


def build_commands(recipe: Recipe, source: Path, build: Path, jobs: int) -> list[list[str]]:
    """Return the commands that build llama.cpp for this processor; the libraries then lie in `build`/bin."""
    flags = _NO_AMX if platform.machine() == "x86_64" else ""
    tools = PEERS / recipe.name / "bin"
    defines: Sequence[str] = (
        "CMAKE_BUILD_TYPE=Release", "BUILD_SHARED_LIBS=ON", f"CMAKE_C_FLAGS={flags}", f"CMAKE_CXX_FLAGS={flags}",
        f"CMAKE_MAKE_PROGRAM={tools / 'ninja'}", "CMAKE_BUILD_RPATH_USE_ORIGIN=ON",
        "GGML_NATIVE=ON", "GGML_OPENMP=ON", "GGML_LLAMAFILE=ON", "LLAMA_BUILD_COMMON=OFF",
    )  # fmt: skip
    vendored = source / "vendor" / "llama.cpp"
    configure = ["-G", "Ninja", "-S", str(vendored), "-B", str(build), *(f"-D{define}" for define in defines)]
    return [
        [str(tools / "cmake"), *configure],
        [str(tools / "cmake"), "--build", str(build), "--target", "llama", "--parallel", str(jobs)],
    ]


def compiler_missing() -> str | None:
    """Return what a source build lacks on this machine, None where it lacks nothing."""
    if shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"):
        return None
    return "no C++ compiler; on Debian: apt-get install g++"
