"""The pipeline from data files to a scored adapter, as a process, with a tiny base model and the real service."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from common.errors import UnavailableError
from common.settings import get_settings
from tests.unit.model.tiny import write_adapter, write_folder
from training.loss_log import LOSSES_NAME
from training.served_model import LOG_NAME, served_model

TIMEOUT_S = 600
SCORED_ROWS = 4
RECIPE = f"""
seed: 3
max_rows: 150
compile: false
checkpoint_minutes: 0.001
curate_arguments: [--task, sentiment, --max-tokens, "1500"]
adapter: {{rank: 2, alpha: 4}}
packing: {{max_row_tokens: 1500, pack_tokens: 300, max_rows_per_tree: 1}}
evaluations:
  - {{name: tweets, format: sentiment, data: sentiment/tfns_train.jsonl, limit: {SCORED_ROWS}, scores: [weighted_f1]}}
"""


def servable(folder: Path) -> Path:
    """Write a tiny model with heads as wide as the native engine wants them; a byte is a token, so prompts are long."""
    return write_folder(folder, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=4096)


class Workshop:
    """A folder with a recipe and a tiny base, and the pipeline over both."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.work = folder / "work"
        self.base = servable(folder / "tiny")
        self.recipe = folder / "tiny.yaml"
        self.recipe.write_text(RECIPE)
        self._data = data
        self._output = folder / "output"

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8", "replace")

    def start(self) -> subprocess.Popen[bytes]:
        options = ("--recipe", str(self.recipe), "--data-dir", str(self._data), "--work", str(self.work))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
        with self._output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "training.pipeline", *options],
                env=kept | {"FINANCELLM_MODEL_SOURCE": str(self.base), "COLUMNS": "200"},
                stdout=output,
                stderr=output,
                process_group=0,
            )

    def run(self) -> None:
        assert self.start().wait(TIMEOUT_S) == 0, self.output

    def losses(self) -> list[dict[str, Any]]:
        files = list(self.work.glob(f"runs/*/{LOSSES_NAME}"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines() if line.endswith("}")]


@pytest.fixture
def workshop(tmp_path: Path, shared_data: Path) -> Workshop:
    return Workshop(tmp_path, shared_data)


def until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_killed_pipeline_goes_on_to_a_scored_adapter(workshop: Workshop) -> None:
    """Given a pipeline killed with -9 amid its training, when run again, then it goes on and scores what is served."""
    process = workshop.start()
    until(lambda: len(workshop.losses()) >= 10, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = workshop.losses()

    workshop.run()

    assert "curate: current" in workshop.output
    after = workshop.losses()
    assert [step["loss"] for step in after[:5]] == [step["loss"] for step in before[:5]]
    assert [step["step"] for step in after] == list(range(1, len(after) + 1))
    assert len(after) > 100
    scored = json.loads((workshop.work / "scores" / "tweets.json").read_bytes())
    assert scored["n"] == SCORED_ROWS
    assert scored["engine"] == "native"
    record = json.loads((workshop.work / "adapter" / "training.json").read_bytes())
    assert record["scores"] == {"tweets_weighted_f1": scored["weighted_f1"]}

    # When nothing has changed, then nothing is done, and no service is started for the scores.
    log = workshop.work / "service" / LOG_NAME
    log.unlink()
    workshop.run()
    assert "lora: current" in workshop.output
    assert not log.exists()


@pytest.fixture
def tiny_service(tmp_path: Path) -> tuple[Path, Path, str, Path]:
    base = servable(tmp_path / "tiny")
    adapter = write_adapter(tmp_path / "adapter")
    return tmp_path / "model", adapter, str(base), tmp_path / "service"


def test_a_served_model_lives_as_long_as_its_block(tiny_service: tuple[Path, Path, str, Path]) -> None:
    """Given a block with a served model, when it is left, then every process of the service has ended."""
    # Other tests' servers may run beside it.
    before = set(psutil.Process().children(recursive=True))
    with served_model(*tiny_service) as url:
        ready = httpx.get(f"{url}/readyz").status_code
        started = set(psutil.Process().children(recursive=True)) - before
    assert ready == 200
    assert len(started) >= 4
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in started)


def test_a_service_that_does_not_start_says_why(
    tiny_service: tuple[Path, Path, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an engine that there is not, when the model is to be served, then the end of the log is in the error."""
    monkeypatch.setenv("FINANCELLM_ENGINE", "abacus")
    with pytest.raises(UnavailableError, match="FINANCELLM_ENGINE"), served_model(*tiny_service):
        pass


def test_settings_of_the_users_own_service_do_not_reach_it(
    tiny_service: tuple[Path, Path, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given settings of another deployment, then the model is served on loopback all the same, with its own Redis."""
    monkeypatch.setenv("FINANCELLM_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("FINANCELLM_LANES", "interactive")
    get_settings.cache_clear()
    with served_model(*tiny_service) as url:
        job = httpx.post(f"{url}/v1/jobs", json={"question": "Why?", "lane": "bulk", "max_tokens": 4}).json()
        assert httpx.get(f"{url}/v1/jobs/{job['id']}?wait=30", timeout=60).json()["status"] == "succeeded"
