"""What the README tells people to type works."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.readme import code_blocks
from tests.support.stack import Stack

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    env = {
        "FINANCELLM_WEBHOOK_SECRET": SECRET,
        "FINANCELLM_ALLOW_PRIVATE_WEBHOOKS": "true",
    }
    with Stack(tmp_path_factory.mktemp("readme"), "fake", env=env) as running:
        yield running


def test_shell_blocks_run_in_order(stack: Stack, tmp_path: Path) -> None:
    # Given every shell block of the README as one script, when it runs against a stack, then no command fails
    script = "set -euo pipefail\n" + "\n".join(block.text for block in code_blocks() if block.language == "bash")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "API": stack.url},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{stack.logs()}"


def test_python_blocks_run(stack: Stack, tmp_path: Path) -> None:
    blocks = [block.text for block in code_blocks() if block.language == "python"]
    assert blocks
    for text in blocks:
        done = subprocess.run(
            [sys.executable, "-c", text],
            cwd=tmp_path,
            env={**os.environ, "API": stack.url, "FINANCELLM_WEBHOOK_SECRET": SECRET},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{stack.logs()}"


def test_commands_shown_exist() -> None:
    # Given the commands the README shows without running them
    shown = "\n".join(block.text for block in code_blocks() if block.language == "console")
    # Then each make target and each financellm command exists
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^\$ make ([a-z-]+)", shown, re.MULTILINE)) <= targets
    for words in re.findall(r"^\$ (?:\.venv/bin/)?financellm ((?:[a-z]+ ?)+)", shown, re.MULTILINE):
        command = words.split()
        done = subprocess.run([sys.executable, "-m", "api.cli", *command, "--help"], capture_output=True, text=True)
        assert done.returncode == 0, f"financellm {words}: {done.stderr}"
