"""How large the layers of the images are, from the packages installed here: `python -m tests.support.image_size`.

No container engine is needed: every wheel's RECORD tells the size of each file it installs. The base image, which comes
from a registry, is not measured.
"""

import re
import shutil
import subprocess
import tempfile
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1_000_000
# The project's own folders that each image copies.
SOURCES = {"api": ("api", "common"), "worker": ("common", "training", "worker")}
LEFT_OUT = {"__pycache__", "csrc"}


def locked_packages(image: str) -> list[str]:
    """Return the names of the packages that an image's lock file pins for this platform."""
    lock = (ROOT / ".lock" / f"{image}.txt").read_text("utf-8")
    entries = re.findall(r"^([a-z0-9][a-z0-9._-]*)==\S+( ;.*)?", lock, re.MULTILINE)
    return [name for name, marker in entries if "win32" not in marker and "< '3.11'" not in marker]


def package_bytes(name: str) -> int:
    """Return the size of a package's installed files, without its compiled bytecode."""
    files = distribution(name).files or []
    return sum(file.size or 0 for file in files if file.suffix != ".pyc")


def source_bytes(image: str) -> int:
    """Return the size of the project's own files in an image."""
    files = (path for folder in SOURCES[image] for path in (ROOT / folder).rglob("*"))
    return sum(path.stat().st_size for path in files if path.is_file() and not LEFT_OUT & set(path.parts))


def model_bytes(image: str, folder: Path) -> int:
    """Return the size of what BAKE_MODEL=1 adds: the whole model to a worker, tokenizer and manifest to a gateway."""
    names = ("tokenizer.json", "config.json", "model.json") if image == "api" else ("*",)
    return sum(path.stat().st_size for name in names for path in folder.glob(name) if path.is_file())


def slimmed_packages(folder: Path) -> Path:
    """Lay the gateway's packages into a folder and slim them by the Dockerfile's own command; return where they lie.

    Raises CalledProcessError where the command fails.
    """
    packages = folder / "lib" / "python3.11" / "site-packages"
    for name in locked_packages("api"):
        for file in distribution(name).files or []:
            source = Path(str(file.locate()))
            if ".." in file.parts or file.suffix == ".pyc" or not source.is_file():
                continue
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    subprocess.run(["sh", "-ec", slim_command().replace("/opt/venv", str(folder))], check=True)
    return packages


def slim_command() -> str:
    """Return the Dockerfile's command that slims the gateway's packages."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile.api").read_text("utf-8"))
    return next(line.removeprefix("RUN ") for line in text.splitlines() if " strip " in line and line.startswith("RUN"))


def folder_bytes(folder: Path) -> int:
    """Return the size of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Print a table of layers for both images."""
    for image in SOURCES:
        sizes = sorted(((package_bytes(name), name) for name in locked_packages(image)), reverse=True)
        packages = sum(size for size, _ in sizes)
        model = model_bytes(image, ROOT / ".financellm" / "model")
        print(f"{image}: {len(sizes)} packages {packages / MEGABYTE:.1f} MB, own files", end=" ")
        print(f"{source_bytes(image) / MEGABYTE:.1f} MB, model {model / MEGABYTE:.1f} MB")
        print("   largest:", ", ".join(f"{name} {size / MEGABYTE:.1f}" for size, name in sizes[:8]))
    with tempfile.TemporaryDirectory() as folder:
        slimmed = folder_bytes(slimmed_packages(Path(folder)))
    print(f"api, as its Dockerfile slims them: packages {slimmed / MEGABYTE:.1f} MB")


if __name__ == "__main__":
    main()
