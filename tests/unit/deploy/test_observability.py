"""Scrape targets, alert rules and dashboard: every figure they use is one that the processes export."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from common.jobs import Lane
from common.overviews import LaneState, Overview
from common.telemetry import GatewayMetrics, WorkerMetrics
from tests.support.observability import DASHBOARD, FOLDER, alert_rules, panel_queries

ROOT = Path(__file__).resolve().parents[3]
# What Prometheus itself adds.
PROMETHEUS_OWN = {"up"}
METRIC = re.compile(r"\b(?:vllm:|financellm_|process_)[a-z0-9_]+|\bup\b")


def exported() -> set[str]:
    """Every sample name of gateway and worker."""
    registries = [CollectorRegistry(), CollectorRegistry()]
    gateway = GatewayMetrics(registries[0])
    WorkerMetrics(registries[1])
    lanes = {lane: LaneState(waiting=0, backlog_tokens=0, head_age_ms=0) for lane in Lane}
    gateway.queue.show(Overview(lanes=lanes, workers=(), counts={"accepted": 1, "leases_lost": 0}, webhooks=0))
    names = set()
    for registry in registries:
        for family in registry.collect():
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            names |= {f"{family.name}{suffix}" for suffix in suffixes}
    return names


def expressions() -> Iterator[str]:
    """Every query of rules and dashboard."""
    yield from (rule["expr"] for rule in alert_rules())
    yield from (query for _, query in panel_queries())


def promtool(*arguments: str) -> None:
    """Run Prometheus' own checker, or skip the test where it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_in_use_is_exported() -> None:
    # Given rules and dashboard, when their metrics are looked for, then each is one that the code exports
    used = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert len(used) > 25
    assert used - PROMETHEUS_OWN <= exported()


def test_every_metric_of_the_queue_is_shown() -> None:
    # Given what an operator cannot see elsewhere, then the dashboard shows it
    shown = " ".join(expressions())
    for name in (
        "vllm:num_requests_waiting",
        "financellm_queue_oldest_age_seconds",
        "financellm_lease_reclaims_total",
        "financellm_admission_refusals_total",
        "financellm_queued_work_seconds_per_worker",
    ):
        assert name in shown


def test_alerts_say_what_to_do() -> None:
    for rule in alert_rules():
        assert re.fullmatch(r"FinanceLLM[A-Z]\w+", rule["alert"])
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_every_alert_is_tried_in_both_states() -> None:
    # Given the rule tests that promtool runs, then each alert is expected to fire in one of them
    tests = (FOLDER / "alerts.test.yml").read_text("utf-8")
    missing = [rule["alert"] for rule in alert_rules() if rule["alert"] not in tests]
    assert missing == []


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", "alerts.test.yml")


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(expressions())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", str(path))


def test_prometheus_understands_its_configuration() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")


def test_the_dashboard_stands_on_its_own() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    source = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yaml").read_text("utf-8"))
    uid = source["datasources"][0]["uid"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) > 20
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["description"], panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {uid}
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not own & cells, f"{panel['title']} lies over another panel"
        cells |= own


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return content


def test_prometheus_scrapes_what_compose_runs(compose: dict[str, Any]) -> None:
    jobs = {
        job["job_name"]: job for job in yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    }
    worker = jobs["financellm-worker"]["dns_sd_configs"][0]
    assert worker["names"] == ["worker", "worker-gpu"]
    for name in worker["names"]:
        assert compose["services"][name]["environment"]["FINANCELLM_METRICS_PORT"] == str(worker["port"])
    api = jobs["financellm-api"]
    assert api["dns_sd_configs"][0]["port"] == 8000
    # Keys are asked of everybody, Prometheus too
    assert api["authorization"]["credentials_file"] == "/run/secrets/metrics_key"
    assert compose["services"]["prometheus"]["secrets"] == ["metrics_key"]


def test_every_mounted_file_exists(compose: dict[str, Any]) -> None:
    mounted = [
        volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())
    ]
    own = [path for path in mounted if path.startswith("./")]
    assert len(own) == 4
    assert all((ROOT / path).exists() for path in own)


def test_profiles_stay_out_of_the_way(compose: dict[str, Any]) -> None:
    # Given a plain `docker compose up`, then neither Grafana nor a GPU is asked for
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert profiles["prometheus"] == profiles["grafana"] == ["observability"]
    assert profiles["worker-gpu"] == ["gpu"]
    assert {name for name, found in profiles.items() if not found} == {"redis", "model", "api", "worker"}
