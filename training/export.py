"""Makes the form of the model that another engine reads: `python -m training.export llamacpp|openvino|onnxruntime`.

Exporters of other projects pin their own versions of transformers, so each may live in an environment of its own:
`--python` names its interpreter. vLLM and transformers read the prepared folder as it is and need no export.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.errors import ConfigurationError, FinanceLLMError
from common.settings import get_settings
from training.gguf_file import write_gguf


@dataclass(frozen=True, slots=True)
class Form:
    """What an engine reads: its name in the model folder, the module that exports it, and that module's command."""

    target: str
    exporter: str | None
    command: Callable[[str, Path, Path], list[str]]


def _no_command(python: str, model_dir: Path, target: Path) -> list[str]:
    return []


def _openvino(python: str, model_dir: Path, target: Path) -> list[str]:
    task = ("--task", "text-generation-with-past", "--weight-format", "int8")
    tool = ("-m", "optimum.commands.optimum_cli", "export", "openvino")
    return [python, *tool, "--model", str(model_dir), *task, str(target)]


def _onnxruntime(python: str, model_dir: Path, target: Path) -> list[str]:
    cache = target.with_name(f"{target.name}.cache")
    settings = ("-p", "int8", "-e", "cpu", "-c", str(cache))
    return [python, "-m", "onnxruntime_genai.models.builder", "-i", str(model_dir), "-o", str(target), *settings]


FORMS = {
    "llamacpp": Form("q8_0.gguf", None, _no_command),
    "openvino": Form("openvino", "optimum.intel", _openvino),
    "onnxruntime": Form("onnxruntime", "onnxruntime_genai.models.builder", _onnxruntime),
}


def export(engine: str, model_dir: Path, python: str = sys.executable) -> Path:
    """Write the engine's form below the model folder and return it; it appears when it is whole.

    Raises ConfigurationError where the exporter is absent or fails, ModelFilesError where the weights are unusable.
    """
    form = FORMS[engine]
    target = model_dir / form.target
    if form.exporter is None:
        write_gguf(model_dir, target, "Q8_0")
        return target
    missing = exporter_missing(engine, python)
    if missing is not None:
        raise ConfigurationError(missing)
    partial = model_dir / f".{form.target}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    done = subprocess.run(form.command(python, model_dir, partial), capture_output=True, text=True)
    shutil.rmtree(partial.with_name(f"{partial.name}.cache"), ignore_errors=True)
    if done.returncode != 0:
        raise ConfigurationError(f"The export for {engine} failed: {_last_line(done.stderr)}")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target


def exporter_missing(engine: str, python: str = sys.executable) -> str | None:
    """Return why an interpreter cannot export for an engine, None where it can."""
    module = FORMS[engine].exporter
    if module is None:
        return None
    found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True)
    if found.returncode == 0:
        return None
    return (
        f"Exporting for {engine} needs the package {module} in {python} ({_last_line(found.stderr)}). "
        "Install it there, or name another interpreter with --python."
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it printed nothing"


def main() -> None:
    """Export for the engine named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("engine", choices=sorted(FORMS))
    parser.add_argument("--model-dir", type=Path, default=None, help="the prepared folder; by the settings otherwise")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the exporter")
    options = parser.parse_args()
    model_dir: Path = options.model_dir or get_settings().model_path
    try:
        print(export(options.engine, model_dir.resolve(), options.python))
    except FinanceLLMError as error:
        sys.exit(error.message)


if __name__ == "__main__":
    main()
