"""Packages that only one engine needs: imported when it is chosen, and explained where they are absent."""

from importlib import import_module
from pathlib import Path
from typing import Any

from common.errors import ConfigurationError, ModelFilesError


def import_for(engine: str, module: str) -> Any:
    """Import a package of an engine; raises ConfigurationError that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"FINANCELLM_ENGINE={engine} needs the package {module}, which cannot be imported ({error}). "
            f"Run `pip install 'financellm[{engine}]'`, or set FINANCELLM_ENGINE=auto."
        ) from error


def exported(engine: str, path: Path) -> Path:
    """Return the engine's own form of the model; raises ModelFilesError that says how to make it."""
    if not path.exists():
        raise ModelFilesError(
            f"{path} is not there: the {engine} engine reads its own form of the model. "
            f"Run `python -m training.export {engine}`."
        )
    return path
