"""The forms of a prepared model that peers read: each is made once per revision of the model."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common.errors import FinanceLLMError
from tests.bench.peers.places import PEERS, models_dir
from tests.bench.peers.steps import StepFailedError, Steps
from tests.bench.peers.w8a8 import write_w8a8
from training.gguf_file import write_gguf

# int4 as the exporter's guide advises for processors: symmetric, every layer, groups of 128.
_WEIGHT_FORMATS = {
    "openvino-int8": ("int8",),
    "openvino-int4": ("int4", "--sym", "--ratio", "1.0", "--group-size", "128"),
}


@dataclass(frozen=True, slots=True)
class PeerModel:
    """One form of the model: its file or folder name, the environment whose peer reads it, and how it is made."""

    name: str
    reader: str
    make: Callable[[Path, Path, Steps], None]


def export_command(model_dir: Path, target: Path, weight_format: tuple[str, ...]) -> list[str]:
    """Return the command that exports a model for OpenVINO."""
    tool = PEERS / "openvino-export" / "bin" / "optimum-cli"
    task = ("--task", "text-generation-with-past", "--weight-format", *weight_format)
    return [str(tool), "export", "openvino", "--model", str(model_dir), *task, str(target)]


def _export(weight_format: tuple[str, ...], model_dir: Path, target: Path, steps: Steps) -> None:
    partial_target = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial_target, ignore_errors=True)
    steps.run(export_command(model_dir, partial_target, weight_format))
    partial_target.rename(target)


def _w8a8(with_head: bool, model_dir: Path, target: Path, steps: Steps) -> None:
    write_w8a8(model_dir, target, with_head=with_head)


def _gguf(kind: str, model_dir: Path, target: Path, steps: Steps) -> None:
    write_gguf(model_dir, target, kind)


PEER_MODELS = (
    PeerModel("w8a8", "vllm", partial(_w8a8, False)),
    PeerModel("w8a8-head", "vllm", partial(_w8a8, True)),
    *(PeerModel(name, "openvino", partial(_export, options)) for name, options in _WEIGHT_FORMATS.items()),
    PeerModel("q8_0.gguf", "llamacpp", partial(_gguf, "Q8_0")),
    PeerModel("q4_0.gguf", "llamacpp", partial(_gguf, "Q4_0")),
)


def make_model(model: PeerModel, model_dir: Path) -> str | None:
    """Make one form if it is not there; return None, or the reason where it cannot be made."""
    target = models_dir(model_dir) / model.name
    if target.exists():
        return None
    steps = Steps(model.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        model.make(model_dir, target, steps)
    except (StepFailedError, FinanceLLMError, OSError) as error:
        return steps.give_up(str(error))
    return None
