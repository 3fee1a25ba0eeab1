"""The compose file: valid by the specification's own schema, and true to what the processes need."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from api.settings import ApiSettings
from common.settings import Settings
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "tests" / "support" / "schemas" / "compose-spec.json"
DRAIN_S = 20
# What the clients of a bucket read.
BUCKET_VARIABLES = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
}
FOR_THE_MODEL_ALONE = {"FINANCELLM_MODEL_SOURCE", "FINANCELLM_ADAPTER"}
NOT_FOR_CONTAINERS = {
    # Folders and addresses inside the images
    "FINANCELLM_DATA_DIR",
    "FINANCELLM_MODEL_DIR",
    "FINANCELLM_API_HOST",
    "FINANCELLM_API_PORT",
    # One name for all replicas would be none
    "FINANCELLM_WORKER_NAME",
    # The gateway's grace period is made for its default
    "FINANCELLM_SHUTDOWN_TIMEOUT_S",
    # For tests of this project
    "FINANCELLM_FAKE_STEP_MS",
    "FINANCELLM_FAKE_FAULTS",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return content


def setting_names(kind: type[Settings]) -> set[str]:
    """Return the environment variables that a settings class reads."""
    names = {f"FINANCELLM_{name.upper()}" for name in kind.model_fields}
    return names | {"FINANCELLM_MODEL_DIR", "FINANCELLM_API_PORT"}


def seconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)s", duration)
    assert match, duration
    return int(match[1])


def test_the_file_is_valid_by_the_compose_specification(compose: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(compose)


def test_the_schema_refuses_a_misspelt_key(compose: dict[str, Any]) -> None:
    # Given a service with a key that does not exist, then the check above would notice
    wrong = compose | {"services": compose["services"] | {"api": compose["services"]["api"] | {"port": ["8000"]}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(wrong)


def test_services_can_be_scaled(compose: dict[str, Any]) -> None:
    assert all("container_name" not in service for service in compose["services"].values())
    assert "ports" not in compose["services"]["worker"]


@pytest.mark.parametrize("name", ["redis", "api", "worker", "model", "worker-gpu", "prometheus", "grafana"])
def test_services_are_locked_down(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is (name != "prometheus")
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


def test_no_read_only_service_has_a_secret_of_the_environment(compose: dict[str, Any]) -> None:
    # Compose copies such secrets into the container and refuses to start where its root cannot be written to
    copied = {name for name, secret in compose["secrets"].items() if "file" not in secret}
    assert copied
    for name, service in compose["services"].items():
        assert not (service.get("read_only") and copied & set(service.get("secrets", ()))), name


def test_workers_of_either_kind_see_the_same_files(compose: dict[str, Any]) -> None:
    # Given that any worker may take any report or batch, then all of them have the gateway's files
    services = compose["services"]
    assert services["worker-gpu"]["volumes"] == services["worker"]["volumes"] == services["api"]["volumes"]


def test_redis_keeps_accepted_jobs(compose: dict[str, Any]) -> None:
    redis = compose["services"]["redis"]
    command = " ".join(redis["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert redis["volumes"] == ["redis:/data"]
    assert "ports" not in redis
    assert redis["networks"] == ["queue"]
    assert compose["networks"]["queue"]["internal"] is True
    assert re.fullmatch(r"redis:\d+\.\d+\.\d+-alpine", redis["image"])


@pytest.mark.parametrize("name", ["worker", "worker-gpu"])
def test_workers_have_time_to_drain(compose: dict[str, Any], name: str) -> None:
    worker = compose["services"][name]
    assert float(worker["environment"]["FINANCELLM_DRAIN_S"]) == DRAIN_S
    assert seconds(worker["stop_grace_period"]) > DRAIN_S


def test_the_gateway_wants_a_key_and_is_published_on_loopback(compose: dict[str, Any]) -> None:
    api = compose["services"]["api"]
    assert ":?" in api["environment"]["FINANCELLM_API_KEY_HASHES"]
    assert api["ports"] == ["${API_PUBLISH:-127.0.0.1:8000}:8000"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("api", ApiSettings), ("worker", WorkerSettings), ("worker-gpu", WorkerSettings), ("model", Settings)],
)
def test_environment_names_are_settings(compose: dict[str, Any], name: str, kind: type[Settings]) -> None:
    # A setting the process does not know would be ignored silently
    shared = setting_names(ApiSettings) & set(compose["x-environment"]) | setting_names(WorkerSettings)
    known = setting_names(kind) | (shared & set(compose["x-environment"]))
    assert set(compose["services"][name]["environment"]) - BUCKET_VARIABLES <= known


@pytest.mark.parametrize(
    ("name", "kind"), [("api", ApiSettings), ("worker", WorkerSettings), ("worker-gpu", WorkerSettings)]
)
def test_every_setting_reaches_the_containers(compose: dict[str, Any], name: str, kind: type[Settings]) -> None:
    # Compose hands on only what it names; a setting it leaves out would be ignored silently
    passed = set(compose["services"][name]["environment"])
    assert setting_names(kind) - NOT_FOR_CONTAINERS - FOR_THE_MODEL_ALONE <= passed
    assert passed >= BUCKET_VARIABLES
    assert set(compose["services"]["model"]["environment"]) >= FOR_THE_MODEL_ALONE


def test_settings_kept_from_containers_are_settings(compose: dict[str, Any]) -> None:
    assert setting_names(ApiSettings) | setting_names(WorkerSettings) >= NOT_FOR_CONTAINERS
    assert not any(NOT_FOR_CONTAINERS & set(service.get("environment", ())) for service in compose["services"].values())


@pytest.mark.parametrize("name", ["api", "worker"])
def test_no_name_without_a_value_is_set_by_the_image(compose: dict[str, Any], name: str) -> None:
    # Where the shell has no value, such a name takes the image's own away
    valueless = {key for key, value in compose["services"][name]["environment"].items() if value is None}
    of_image = set(re.findall(r"\b([A-Z_]+)=", (ROOT / f"Dockerfile.{name}").read_text("utf-8")))
    assert not valueless & of_image


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("SECRET|KEY", name) and value is not None:
                assert re.match(r"\$\{\w+:(-\}|\?)", value), name


def test_every_named_dockerfile_exists(compose: dict[str, Any]) -> None:
    builds = [service["build"] for service in compose["services"].values() if "build" in service]
    assert builds
    assert all((ROOT / build["dockerfile"]).is_file() for build in builds)
