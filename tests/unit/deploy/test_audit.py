"""The look-up of known vulnerabilities: what is found fails, and silence of the network is never taken for health."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[3] / ".ci" / "audit"
HEALTHY = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
FAULTY = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": []},
        {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]},
    ]
}


def audit(folder: Path, report: object | None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a look-up that writes this report, or none, and ends as the real one does."""
    lines = ["#!/usr/bin/env bash", f'[[ $1 == -m ]] || exec {sys.executable} "$@"']
    if report is not None:
        (folder / "report.json").write_text(json.dumps(report))
        lines.append(f'while [[ $1 != --output ]]; do shift; done; cp {folder}/report.json "$2"')
    lines.append(f"exit {0 if report == HEALTHY else 1}")
    program = folder / "python"
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **env}
    return subprocess.run([AUDIT], env=environment, capture_output=True, text=True)


def test_every_lock_is_looked_up(tmp_path: Path) -> None:
    """Given packages without a known fault, when audited, then every lock was looked up and nothing is said."""
    done = audit(tmp_path, HEALTHY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("== .lock/") == 5


@pytest.mark.parametrize("offline", ["", "allowed"])
def test_a_known_fault_fails_by_name(tmp_path: Path, offline: str) -> None:
    """Given a package with a known fault, when audited, then it fails and names package, fault and remedy."""
    done = audit(tmp_path, FAULTY, AUDIT_OFFLINE=offline)
    assert done.returncode == 1
    assert "b 2 PYSEC-1 fixed in 3" in done.stderr


@pytest.mark.parametrize(("offline", "code"), [("", 1), ("allowed", 0)])
def test_what_could_not_be_looked_up_is_said(tmp_path: Path, offline: str, code: int) -> None:
    """Given no network, when audited, then that is said; it fails unless it was allowed."""
    done = audit(tmp_path, None, AUDIT_OFFLINE=offline)
    assert done.returncode == code
    assert "NOT AUDITED" in done.stderr
