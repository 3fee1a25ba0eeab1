"""The CI workflows: valid by schema and linters, pinned, without rights they do not need, and calling what exists."""

import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github" / "workflows"
SCHEMA = ROOT / "tests" / "support" / "schemas" / "github-workflow.json"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
# Programs that a runner has, or that a step before installs.
RUNNER_PROGRAMS = {"sudo", "python", "npm", "gh"}


class OnIsNoTruth(yaml.SafeLoader):
    """YAML 1.1 reads the key `on` as true; GitHub does not."""


OnIsNoTruth.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(path.read_text("utf-8"), OnIsNoTruth)  # noqa: S506, a safe loader
    return content


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", ())


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


def test_every_duty_has_a_workflow() -> None:
    assert {path.stem for path in WORKFLOWS} == {"ci", "images", "railway", "release", "wheels"}


def test_valid_by_the_schema_of_workflows(workflow: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(workflow)


def test_the_schema_refuses_a_misspelt_key() -> None:
    # Given a job with a key that does not exist, then the check above would notice
    wrong = read(FOLDER / "ci.yml")
    wrong["jobs"]["test"]["run-on"] = "ubuntu-24.04"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(wrong)


def test_actionlint_has_no_complaint() -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed; its package fetches the program from GitHub, as the ci workflow does")
    done = subprocess.run([program, *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_has_no_complaint() -> None:
    program = Path(sysconfig.get_path("scripts")) / "zizmor"
    command: list[str | Path] = [program, "--offline", "--no-progress", "--quiet", ROOT / ".github"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_pinned_by_commit_with_their_version_beside() -> None:
    used = {line.strip() for path in WORKFLOWS for line in path.read_text("utf-8").splitlines() if "uses: " in line}
    foreign = {line for line in used if "uses: ./" not in line}
    assert len(foreign) >= 7
    for line in foreign:
        assert re.search(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    # One action has one commit everywhere
    names = [re.sub(r"@.*", "", line) for line in foreign]
    assert len(names) == len(set(names))


def test_jobs_have_only_the_rights_they_name_and_an_end(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"], name
        assert "uses" in job or job["timeout-minutes"] <= 90, name


def test_installed_tools_have_exact_versions(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        for words in re.findall(r"pip install (.+)|npm install --global (.+)", step.get("run", "")):
            for package in " ".join(words).split():
                assert re.fullmatch(r"[@\w/-]+(==|@)\d+(\.\d+)+", package), package


def test_script_lines_call_what_exists(workflow: dict[str, Any]) -> None:
    # Given every line a job runs, then it starts a script of this repository, a make target, or a runner's program
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for step in steps(workflow):
        for line in step.get("run", "").splitlines():
            words = line.split()
            if words[0] == "make":
                assert set(words[1:]) <= targets, line
            elif words[0].startswith(".ci/"):
                assert (ROOT / words[0]).is_file(), line
                assert (ROOT / words[0]).stat().st_mode & 0o111, f"{words[0]} is not executable"
            else:
                assert words[0] in RUNNER_PROGRAMS, line


def test_secrets_reach_one_step_and_no_script_text(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        assert "${{ github.event" not in step.get("run", "")
        assert "secrets." not in step.get("run", "")
    assert "secrets" not in json.dumps(workflow.get("env", {}))


def test_tags_deploy_and_pull_requests_only_plan() -> None:
    railway = read(FOLDER / "railway.yml")
    assert railway["on"]["push"] == {"tags": ["v*"]}
    plan, deploy = railway["jobs"]["plan"], railway["jobs"]["deploy"]
    assert "pull_request" in plan["if"]
    assert [step["run"] for step in plan["steps"] if "railway " in step.get("run", "")][-1] == ".ci/railway plan"
    assert deploy["if"] == "github.event_name == 'push'"
    assert deploy["environment"] == "railway-production"


@pytest.mark.parametrize("script", sorted((ROOT / ".ci").iterdir()), ids=lambda path: path.name)
def test_scripts_parse_and_stop_at_the_first_error(script: Path) -> None:
    text = script.read_text("utf-8")
    assert text.startswith("#!/usr/bin/env bash\n# ")
    assert "set -euo pipefail" in text
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0


def test_a_tag_must_name_the_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    for tag, code in ((f"v{version[1]}", 0), ("v99.0.0", 1)):
        assert subprocess.run([ROOT / ".ci" / "check-version", tag], capture_output=True).returncode == code


def test_release_notes_are_those_of_one_version() -> None:
    # Given a version with notes, then they are printed without their heading; another version is refused by name
    found = subprocess.run([ROOT / ".ci" / "release-notes", "v0.1.0"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "## " not in found.stdout.replace("### ", "")
    assert len(found.stdout) > 200
    missing = subprocess.run([ROOT / ".ci" / "release-notes", "v99.0.0"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert "99.0.0" in missing.stderr
