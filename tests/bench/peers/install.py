"""Makes a peer's environment by its recipe, or finds that it is made already."""

import shutil
import sys
import tarfile
from pathlib import Path

from tests.bench.peers import recipes
from tests.bench.peers.places import PEERS
from tests.bench.peers.recipes import Recipe
from tests.bench.peers.steps import StepFailedError, Steps, only_folder


def is_installed(recipe: Recipe) -> bool:
    """Say whether exactly this recipe was installed here before."""
    return recipes.stamp(recipe).is_file()


def install(recipe: Recipe, torch_index: str, jobs: int) -> str | None:
    """Make an environment; return None, or the reason where it cannot be made."""
    steps = Steps(recipe.name)
    try:
        _install(recipe, steps, torch_index, jobs)
    except (StepFailedError, OSError, tarfile.TarError) as error:
        return steps.give_up(str(error))
    recipes.stamp(recipe).touch()
    return None


def _install(recipe: Recipe, steps: Steps, torch_index: str, jobs: int) -> None:
    if recipe.source and (lack := recipes.compiler_missing()):
        raise StepFailedError(lack)
    steps.run_all(recipes.install_commands(recipe, sys.executable))
    if recipe.torch:
        steps.run_first_of(recipes.torch_commands(recipe, torch_index))
    if recipe.source:
        _build(recipe, steps, jobs)
    steps.run(recipes.check_command(recipe))


def _build(recipe: Recipe, steps: Steps, jobs: int) -> None:
    """Fetch the source, install the bindings and build the library, then drop what only the build needed."""
    download, unpacked = PEERS / recipe.name / "download", PEERS / recipe.name / "source"
    steps.run(recipes.download_command(recipe, download))
    for archive in download.glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
    source = only_folder(unpacked)
    steps.run(recipes.bindings_command(recipe, source))
    build = source / "build-native"
    steps.run_all(recipes.build_commands(recipe, source, build, jobs))
    shutil.copytree(build / "bin", _library_dir(recipe), symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(download)
    shutil.rmtree(unpacked)


def _library_dir(recipe: Recipe) -> Path:
    """Return where the bindings look for the library."""
    for package in (PEERS / recipe.name / "lib").glob("python*/site-packages/llama_cpp"):
        return package / "lib"
    raise StepFailedError("the bindings were not installed")
