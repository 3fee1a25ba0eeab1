"""Where peers live: an environment, a log and, where it failed, a reason for each; models by revision."""

import os
from pathlib import Path

from common.model_files import ModelManifest

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / ".bench-venvs"
LOCKS = ROOT / ".lock" / "peers"


def interpreter(name: str) -> Path:
    """Return the Python of a peer's environment."""
    return PEERS / name / "bin" / "python"


def log_path(name: str) -> Path:
    """Return where everything is written that the making of an environment or a model printed."""
    return PEERS / "logs" / f"{name}.log"


def why_path(name: str) -> Path:
    """Return the file that says why an environment or a model could not be made; it exists only then."""
    return PEERS / "logs" / f"{name}.why"


def why_missing(name: str) -> str:
    """Return why an environment or a model is not there."""
    path = why_path(name)
    return path.read_text("utf-8").strip() if path.is_file() else "not made yet: run make bench-peers"


def models_dir(model_dir: Path) -> Path:
    """Return the folder for the peers' forms of a prepared model; another revision has another folder.

    Raises ModelFilesError where the model was not prepared.
    """
    return PEERS / "models" / ModelManifest.read(model_dir).revision


def environment() -> dict[str, str]:
    """Return the variables peers run with: a home of their own, no reports to their makers, no look at a hub."""
    home = PEERS / "home"
    refusal = home / "intel" / "openvino_telemetry"
    if not refusal.is_file():
        refusal.parent.mkdir(parents=True, exist_ok=True)
        refusal.write_text("0", "utf-8")
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return inherited | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(home / ".cache" / "inductor"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }
