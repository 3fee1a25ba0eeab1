"""The Railway project, evaluated offline: what the platform would be told, and whether the processes agree with it."""

import re
from typing import Any

import pytest

from api.server import KEEP_ALIVE_S
from api.settings import LOOPBACK_HOSTS, ApiSettings
from tests.support.railway_project import ROOT, Node, railway_graph
from worker.service import LONGEST_GOODBYE_S
from worker.settings import WorkerSettings

SERVICES = ("redis", "api", "worker")
HEALTH_CHECK_HOST = "healthcheck.railway.app"
# https://docs.railway.com/networking/public-networking/specs-and-limits
EDGE_KEEP_ALIVE_S = 60
EDGE_LONGEST_REQUEST_S = 15 * 60
EDGE_LONGEST_SILENCE_S = 5 * 60


@pytest.fixture(scope="module")
def graph() -> dict[str, Node]:
    """Every resource of the project by its address."""
    return railway_graph()


def literals(node: Node) -> dict[str, str]:
    """Variables whose value stands in the file."""
    return {name: value["value"] for name, value in node["variables"].items() if value["type"] == "literal"}


def references(node: Node) -> dict[str, tuple[str, str]]:
    """Variables that name another resource's output."""
    return {
        name: (value["resource"], value["output"])
        for name, value in node["variables"].items()
        if value["type"] == "reference"
    }


def settings_of(monkeypatch: pytest.MonkeyPatch, node: Node, kind: type[ApiSettings] | type[WorkerSettings]) -> Any:
    """Read the settings a process would read on the platform, with its references and secrets left out."""
    monkeypatch.setenv("PORT", "7777")
    for name, value in literals(node).items():
        domain = re.sub(r"\$\{\{RAILWAY_(PUBLIC|PRIVATE)_DOMAIN\}\}", lambda found: f"{found[1].lower()}.test", value)
        monkeypatch.setenv(name, domain)
    return kind()


def test_three_services_a_disk_and_a_bucket(graph: dict[str, Node]) -> None:
    assert set(graph) == {"volume.redis-data", "bucket.files", *(f"service.{name}" for name in SERVICES)}


@pytest.mark.parametrize("name", ["api", "worker"])
def test_services_are_built_from_their_dockerfiles(graph: dict[str, Node], name: str) -> None:
    build = graph[f"service.{name}"]["build"]
    assert build["builder"] == "DOCKERFILE"
    assert build["dockerfilePath"] == f"Dockerfile.{name}"
    # Every file the image is made of starts a new build when it changes
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / f"Dockerfile.{name}").read_text("utf-8"), re.MULTILINE)
    sources = {source.split("/")[0] for line in copied for source in line.split()} - {"README.md", "LICENSE"}
    assert sources <= {pattern.split("/")[0] for pattern in build["watchPatterns"]}


@pytest.mark.parametrize("name", ["api", "worker"])
def test_the_model_is_baked_into_the_image(graph: dict[str, Node], name: str) -> None:
    # Given services that share no disk, then the build argument that fetches the model at build time is set
    assert literals(graph[f"service.{name}"])["BAKE_MODEL"] == "1"
    assert re.search(r"^ARG BAKE_MODEL=0$", (ROOT / f"Dockerfile.{name}").read_text("utf-8"), re.MULTILINE)
    assert "volumeAttachments" not in graph[f"service.{name}"]


def test_workers_have_replicas_and_only_redis_has_a_disk(graph: dict[str, Node]) -> None:
    assert graph["service.worker"]["deploy"]["numReplicas"] >= 2
    attached = graph["service.redis"]["volumeAttachments"]["redis-data"]
    assert (attached["volume"], attached["mountPath"]) == ("volume.redis-data", "/data")
    assert "numReplicas" not in graph["service.redis"]["deploy"]


def test_nothing_but_the_gateway_is_for_the_public(graph: dict[str, Node]) -> None:
    # Domains are made by `railway domain --service api`; no file gives one, or a TCP proxy, to Redis or workers
    assert all("networking" not in graph[f"service.{name}"] for name in SERVICES)


def test_health_checks_ask_what_is_there(graph: dict[str, Node]) -> None:
    assert graph["service.api"]["deploy"]["healthcheckPath"] == "/livez"
    worker = graph["service.worker"]
    assert worker["deploy"]["healthcheckPath"] == "/metrics"
    # The platform asks on PORT, and the worker listens there when its engine is ready
    assert literals(worker)["PORT"] == literals(worker)["FINANCELLM_METRICS_PORT"]


def test_the_gateway_listens_where_the_platform_says(graph: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, graph["service.api"], ApiSettings)
    assert settings.api_port == 7777
    assert settings.api_host == "::"


def test_metrics_listen_on_both_families(graph: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, graph["service.worker"], WorkerSettings)
    assert (settings.metrics_host, settings.metrics_port) == ("::", 9464)


def test_the_health_check_host_is_allowed(graph: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, graph["service.api"], ApiSettings)
    assert settings.allowed_hosts == LOOPBACK_HOSTS | {HEALTH_CHECK_HOST, "public.test", "private.test"}


def test_jobs_are_drained_before_the_platform_kills(graph: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    draining = {
        name: int(literals(graph[f"service.{name}"])["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"]) for name in SERVICES
    }
    worker = settings_of(monkeypatch, graph["service.worker"], WorkerSettings)
    assert draining["worker"] >= worker.drain_s + LONGEST_GOODBYE_S + 5
    assert draining["api"] > ApiSettings().shutdown_timeout_s
    assert draining["redis"] > 0


def test_deployments_overlap_where_two_may_run(graph: dict[str, Node]) -> None:
    for name in ("api", "worker"):
        assert int(literals(graph[f"service.{name}"])["RAILWAY_DEPLOYMENT_OVERLAP_SECONDS"]) > 0
    # Two Redis on one disk would be none
    assert "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS" not in graph["service.redis"]["variables"]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_services_find_each_other_by_reference(graph: dict[str, Node], name: str) -> None:
    found = references(graph[f"service.{name}"])
    assert found["FINANCELLM_REDIS_URL"] == ("service.redis", "REDIS_URL")
    assert found["AWS_SECRET_ACCESS_KEY"] == ("bucket.files", "SECRET_ACCESS_KEY")
    assert found["AWS_ENDPOINT_URL"] == ("bucket.files", "ENDPOINT")
    assert "${{RAILWAY_PRIVATE_DOMAIN}}" in literals(graph["service.redis"])["REDIS_URL"]


def test_no_secret_stands_in_the_file(graph: dict[str, Node]) -> None:
    for name in SERVICES:
        variables = graph[f"service.{name}"]["variables"]
        secrets = [key for key in variables if re.search("PASSWORD|SECRET|KEY_HASHES|ACCESS_KEY", key)]
        assert secrets
        assert all(variables[key]["type"] in {"preserve", "reference"} for key in secrets)


@pytest.mark.parametrize(("name", "kind"), [("api", ApiSettings), ("worker", WorkerSettings)])
def test_variables_are_settings(
    graph: dict[str, Node], name: str, kind: type[ApiSettings] | type[WorkerSettings]
) -> None:
    ours = {key for key in graph[f"service.{name}"]["variables"] if key.startswith("FINANCELLM_")}
    known = {f"FINANCELLM_{field.upper()}" for field in kind.model_fields}
    assert ours <= known


def test_the_edge_never_cuts_what_is_alive(graph: dict[str, Node], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, graph["service.api"], ApiSettings)
    assert settings.heartbeat_s < EDGE_LONGEST_SILENCE_S
    assert settings.max_wait_s < EDGE_LONGEST_SILENCE_S
    assert settings.event_stream_lifetime_s < EDGE_LONGEST_REQUEST_S
    assert KEEP_ALIVE_S > EDGE_KEEP_ALIVE_S
