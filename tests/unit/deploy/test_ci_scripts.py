"""Every job's script lines, run here: what a runner has and this machine may not is replaced by a program that notes
how it was called."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.test_workflows import ROOT, WORKFLOWS, read

PROGRAMS = ("sudo", "python", "npm", "gh", "make", "docker", "railway", "chromium", "apt-get")
NOTE = """#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
if [[ $(basename "$0") == docker ]]; then
  case "$*" in
    *Size*) echo "${IMAGE_BYTES:-150000000}" ;;
    *User*) echo "${IMAGE_USER:-10001:10001}" ;;
    *Healthcheck*) echo "${IMAGE_HEALTH:-[]}" ;;
  esac
fi
exit "${NOTE_CODE:-0}"
"""
# What GitHub puts in before a line reaches a shell.
EXPRESSIONS = {"matrix.image": "api", "matrix.most_mb": "200", "matrix.engine": "llamacpp"}


@dataclass(frozen=True, slots=True)
class Runner:
    """A shell with the noted programs in front, and what they were called with."""

    folder: Path

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text("utf-8").splitlines() if path.is_file() else []

    def run(self, script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a script as GitHub's default shell does."""
        env = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "CALLS": str(self.folder / "calls"),
            "HOME": str(self.folder),
            "GITHUB_REF_NAME": f"v{version()}",
            **variables,
        }
        return subprocess.run(
            ["bash", "-e", "-c", script], capture_output=True, text=True, cwd=ROOT, env=env, timeout=120
        )


def version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "bin").mkdir()
    for name in PROGRAMS:
        program = tmp_path / "bin" / name
        program.write_text(NOTE, "utf-8")
        program.chmod(0o755)
    return Runner(tmp_path)


def job_ids() -> list[tuple[Path, str]]:
    return [(path, name) for path in WORKFLOWS for name, job in read(path)["jobs"].items() if "steps" in job]


def script_of(step: dict[str, Any], folder: Path) -> str:
    """Return a step's script with expressions filled in, and files it makes kept out of the checkout."""
    script = re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: EXPRESSIONS[found[1]], step["run"])
    return re.sub(r"(?<![\w./-])(dist|notes\.md)\b", lambda found: str(folder / found[1]), script)


@pytest.mark.parametrize(("path", "name"), job_ids(), ids=lambda value: getattr(value, "stem", value))
def test_the_lines_of_each_job_run(path: Path, name: str, runner: Runner) -> None:
    """Given a job, when its lines are run one after another, then each ends well and does what it is there for."""
    ran = 0
    for step in read(path)["jobs"][name]["steps"]:
        if "run" not in step:
            continue
        variables = {key: "a-token" for key in step.get("env", {}) if "TOKEN" in key}
        done = runner.run(script_of(step, runner.folder), **variables)
        assert done.returncode == 0, f"{step['run']}: {done.stdout}{done.stderr}"
        ran += 1
    assert ran == 0 or runner.calls or (path.stem, name) == ("images", "publish")


def test_every_step_with_a_script_is_among_them() -> None:
    """Given all workflows, when counted, then no script line is outside the jobs run above."""
    lines = sum(path.read_text("utf-8").count("run: ") for path in WORKFLOWS)
    found = sum("run" in step for path, name in job_ids() for step in read(path)["jobs"][name]["steps"])
    assert lines == found > 10


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"IMAGE_BYTES": "261000000"}, "too large"),
        ({"IMAGE_USER": "root"}, "runs as 'root'"),
        ({"IMAGE_HEALTH": "null"}, "no health check"),
    ],
)
def test_an_image_that_breaks_a_rule_fails_the_job(variables: dict[str, str], says: str, runner: Runner) -> None:
    """Given an image too large, run by root or without a health check, when checked, then the script says so."""
    done = runner.run(".ci/image-check financellm-api:check 200", **variables)
    assert done.returncode == 1
    assert says in done.stderr


def test_railway_is_planned_or_deployed_and_never_destroyed(runner: Runner) -> None:
    """Given a token, when planned and deployed, then Railway is called so; without one, nothing is called."""
    assert runner.run(".ci/railway deploy").returncode != 0
    assert runner.calls == []
    assert runner.run(".ci/railway plan", RAILWAY_TOKEN="a-token").returncode == 0
    assert runner.calls == ["railway config plan"]
    assert runner.run(".ci/railway deploy", RAILWAY_TOKEN="a-token").returncode == 0
    assert [call for call in runner.calls if " up " in call] == [
        "railway up --ci --service worker",
        "railway up --ci --service api",
    ]
    assert not any("destructive" in call for call in runner.calls)
    assert runner.run(".ci/railway remove", RAILWAY_TOKEN="a-token").returncode == 2


def test_the_audit_reads_every_lock_and_stops_at_a_finding(runner: Runner) -> None:
    """Given locks, when audited, then each is read with its hashes; a finding ends the job."""
    assert runner.run(".ci/audit CVE-1").returncode == 0
    for lock in ("api", "worker", "serve", "dev", "reference"):
        assert any(f".lock/{lock}.txt " in call and "--ignore-vuln CVE-1" in call for call in runner.calls), lock
    assert runner.run(".ci/audit", NOTE_CODE="1").returncode == 1


def test_a_bill_of_materials_is_written_for_each_image(runner: Runner) -> None:
    """Given a folder, when the bills are asked for, then one is written for each image from its own lock."""
    assert runner.run(f".ci/sbom {runner.folder}/out").returncode == 0
    outputs = [re.search(r"--output-file (\S+)", call) for call in runner.calls]
    assert [Path(found[1]).name for found in outputs if found] == [
        "financellm-api.cdx.json",
        "financellm-worker.cdx.json",
    ]


def test_the_smoke_test_of_a_wheel_names_the_engine() -> None:
    """Given an installation with a native engine, when smoke-tested, then its file is printed."""
    pytest.importorskip("worker.engine.native._native", reason="the native engine is not compiled")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci" / "wheel-smoke"], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert "_native" in done.stdout


def test_tests_are_run_by_make_with_plain_output(runner: Runner) -> None:
    """Given the script that CI starts, when run, then it is `make test` whose last line is pytest's."""
    assert runner.run(".ci/run").returncode == 0
    assert runner.calls[-1] == "make test ARGS=--color=no"


@pytest.mark.parametrize(
    ("engine", "extra"),
    [("llamacpp", "--no-build-isolation"), ("onnxruntime", "onnxruntime.txt"), ("openvino", "openvino-export.txt")],
)
def test_an_engine_gets_its_pinned_packages_and_its_tests(engine: str, extra: str, runner: Runner) -> None:
    """Given an engine with a lock, when its job runs, then that lock is installed, and the suite runs for it alone."""
    assert runner.run(f".ci/engines {engine}").returncode == 0
    assert f"--require-hashes --requirement .lock/peers/{engine}.txt --target" in runner.calls[0]
    assert any(extra in call for call in runner.calls)
    assert runner.calls[-1] == f"make test ARGS=tests/integration/engines -k {engine} -rs --color=no"
