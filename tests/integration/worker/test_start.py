"""A worker that cannot or should not start."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from common.jobs import JobStatus
from common.model_files import ModelManifest, revision_of
from tests.support.read_only_root import READ_ONLY_ROOT, can_make_the_root_read_only
from tests.support.redis_process import free_port
from tests.support.worker_process import Workers


def start(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
    return subprocess.run(
        [sys.executable, "-m", "worker"],
        env={**kept, "FINANCELLM_REDIS_URL": "redis://127.0.0.1:1/0", "FINANCELLM_DATA_DIR": str(tmp_path), **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    done = start(tmp_path, FINANCELLM_ENGINE="steam")
    assert done.returncode == os.EX_CONFIG
    assert "FINANCELLM_ENGINE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_model_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = start(tmp_path, FINANCELLM_ENGINE="transformers")
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.strip().splitlines()[-1].endswith("Run `financellm model prepare`.")
    assert "Traceback" not in done.stderr


def test_changed_model_files_are_refused(tmp_path: Path) -> None:
    # Given a model folder one of whose files changed after it was prepared
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    files = {"config.json": hashlib.sha256(b"other").hexdigest()}
    ModelManifest(
        name="m", base="b", base_sha256="", adapter=None, adapter_sha256=None, revision=revision_of(files),
        tokenizer_sha256="", files=files, created_at="2026-01-01T00:00:00+00:00",
    ).write(folder)  # fmt: skip
    # Then the worker refuses to start, and says which one and what to do
    done = start(tmp_path, FINANCELLM_ENGINE="transformers")
    assert done.returncode == os.EX_CONFIG, done.stderr
    assert "config.json" in done.stderr
    assert "prepare" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_fake_engine_needs_no_model_and_no_torch(workers: Workers) -> None:
    process = workers.start()
    maps = Path(f"/proc/{process.pid}/maps").read_text("utf-8")
    assert "libtorch" not in maps


def test_no_thread_starts_before_stop_signals_are_taken_over() -> None:
    # Given the program as it is imported, then no library has started a thread that would get the signals instead
    count = "import os, worker.__main__; print(len(os.listdir('/proc/self/task')))"
    assert subprocess.run([sys.executable, "-c", count], capture_output=True, text=True).stdout.strip() == "1"


OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def test_metrics_are_served_when_asked_for(workers: Workers) -> None:
    port = free_port()
    workers.start({"FINANCELLM_METRICS_PORT": str(port), "FINANCELLM_METRICS_HOST": "::"})
    workers.wait_end(workers.submit("Question"))
    # Whatever a scraper prefers, and over either family, the names are the same
    for host, accept in (("127.0.0.1", "*/*"), ("127.0.0.1", OPEN_METRICS), ("[::1]", OPEN_METRICS)):
        text = httpx.get(f"http://{host}:{port}/metrics", headers={"Accept": accept}).text
        assert "vllm:generation_tokens_total" in text
        assert "vllm:e2e_request_latency_seconds_count 1.0" in text
        assert 'vllm:request_success_total{finished_reason="' in text


def test_a_worker_needs_no_disk(redis_url: str, tmp_path: Path) -> None:
    # Given a root that cannot be written to
    if not can_make_the_root_read_only():
        pytest.skip("mount namespaces need root")
    with Workers(redis_url, tmp_path) as workers:
        workers.start(prefix=READ_ONLY_ROOT)
        # Then a job is answered all the same
        assert workers.wait_end(workers.submit("Question")).status is JobStatus.SUCCEEDED
