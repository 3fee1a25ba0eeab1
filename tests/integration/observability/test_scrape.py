"""A real Prometheus watches a real gateway and worker: every panel has data, and every rule what it looks at."""

import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.keys import new_api_key
from tests.support.observability import alert_rules, panel_queries
from tests.support.prometheus_process import PrometheusProcess, find_prometheus, on_loopback
from tests.support.redis_process import free_port
from tests.support.stack import Stack

SELECTOR = re.compile(r"\b(?:(?:vllm:|financellm_)[a-z0-9_]+|up\b)(?:\{[^}]*\})?")
LARGE: dict[str, Any] = {"question": "Wait!", "lane": "bulk", "max_tokens": 3_900}
CONTEXT = "Revenue was $12.4 million in 2025 and $11.9 million in 2024."


@dataclass(frozen=True, slots=True)
class Watched:
    """What Prometheus saw: a service at work until `working_s`, without Redis at `away_s`; seconds since 1970."""

    prometheus: PrometheusProcess
    working_s: float
    away_s: float


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One gateway and one worker with the fake engine, asked with a key as compose's Prometheus does."""
    program = find_prometheus()
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("stack")
    key, entry = new_api_key("prometheus")
    worker_port = free_port()
    env = {
        "FINANCELLM_API_KEY_HASHES": entry,
        "FINANCELLM_METRICS_PORT": str(worker_port),
        "FINANCELLM_FAKE_FAULTS": "true",
        # Busy long enough for a measured rate, which comes with a heartbeat.
        "FINANCELLM_FAKE_STEP_MS": "50",
        "FINANCELLM_HEARTBEAT_INTERVAL_MS": "500",
        "FINANCELLM_LANES": "interactive",
        "FINANCELLM_MAX_BACKLOG_TOKENS": "4000",
    }
    with Stack(folder, "fake", env=env, api_key=key) as stack:
        key_file = folder / "key"
        key_file.write_text(key, "utf-8")
        ports = {"financellm-api": stack.port, "financellm-worker": worker_port}
        with (
            PrometheusProcess(program, tmp_path_factory.mktemp("prometheus"), on_loopback(ports, key_file)) as seen,
            httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client,
        ):
            # Nobody takes it, so the lane is full from here on.
            submitted(client, LARGE)
            seen.wait_for_scrapes(1)
            # A rate needs what happened before a scrape and between two.
            for _ in range(2):
                work(client)
                seen.wait_for_scrapes(2)
            seen.wait_until("a measured rate", lambda: seen.query("financellm_tokens_per_second > 0") != [])
            working_s = time.time()
            stack.redis.kill()
            assert client.post("/v1/jobs", json={"question": "Anyone?"}).status_code == 503
            seen.wait_until("an alert about Redis", lambda: seen.query(alert("FinanceLLMStoreAway")) != [])
            seen.wait_for_scrapes(1)
            yield Watched(seen, working_s, time.time())


def work(client: httpx.Client) -> None:
    """Have questions answered, one of them failed and one refused."""
    questions = [f"What was revenue in {year}?" for year in range(2023, 2028)]
    bodies: list[dict[str, Any]] = [
        {"question": question, "context": CONTEXT, "max_tokens": 20} for question in questions
    ]
    bodies.append({"question": "<<row-error>>"})
    ids = [submitted(client, body) for body in bodies]
    refused = client.post("/v1/jobs", json=LARGE)
    assert refused.status_code == 429, refused.text
    states = [client.get(f"/v1/jobs/{job_id}", params={"wait": "30"}).json()["status"] for job_id in ids]
    assert states == ["succeeded"] * len(questions) + ["failed"]


def submitted(client: httpx.Client, body: Mapping[str, Any]) -> str:
    """Return the id of an accepted job."""
    response = client.post("/v1/jobs", json=body)
    assert response.status_code == 202, response.text
    job_id: str = response.json()["id"]
    return job_id


def alert(name: str, state: str = "pending") -> str:
    """Return the query for an alert in a state."""
    return f'ALERTS{{alertname="{name}", alertstate="{state}"}}'


def test_every_panel_shows_numbers(watched: Watched) -> None:
    """Given a service at work, when the dashboard's queries are asked, then each has a series with a number."""
    empty = [
        (title, query)
        for title, query in panel_queries()
        if all(
            math.isnan(float(series["value"][1])) for series in watched.prometheus.query(query, at_s=watched.working_s)
        )
    ]
    assert empty == []


def test_what_is_shown_is_what_happened(watched: Watched) -> None:
    """Given ten answers, two failures, two refusals and a job that waits, when asked, then these are counted."""
    wanted = {
        "max(financellm_workers)": 1,
        'max(financellm_jobs_total{state="accepted"})': 13,
        'max(vllm:num_requests_waiting{lane="bulk"})': 1,
        'max(financellm_jobs_total{state="failed"})': 2,
        "sum(vllm:request_success_total)": 10,
        'sum(financellm_admission_refusals_total{code="queue_full"})': 2,
        "sum(up)": 2,
    }
    found = {query: watched.prometheus.query(query, at_s=watched.working_s) for query in wanted}
    assert {query: float(series[0]["value"][1]) for query, series in found.items()} == wanted


def test_every_rule_is_evaluated_and_silent_in_health(watched: Watched) -> None:
    """Given the shipped rules, when Prometheus has evaluated them, then all are well, and none fired at work."""
    rules = {rule["name"]: (rule["health"], rule.get("lastError", "")) for rule in watched.prometheus.rules()}
    assert rules == {rule["alert"]: ("ok", "") for rule in alert_rules()}
    assert watched.prometheus.query('ALERTS{alertstate="firing"}', at_s=watched.working_s) == []


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule["alert"])
def test_what_a_rule_looks_at_exists(watched: Watched, rule: dict[str, str]) -> None:
    """Given a rule, when its selectors are asked for, then each met a series: a rule on nothing would never fire."""
    selectors = SELECTOR.findall(rule["expr"])
    assert selectors
    for selector in selectors:
        assert watched.prometheus.query(f"last_over_time({selector}[1h])", at_s=watched.away_s), selector


def test_a_redis_that_is_away_raises_its_alert_alone(watched: Watched) -> None:
    """Given a killed Redis, when the rules are evaluated, then its alert is pending, and it was not before."""
    name = "FinanceLLMStoreAway"
    assert watched.prometheus.query(alert(name), at_s=watched.working_s) == []
    assert len(watched.prometheus.query(alert(name), at_s=watched.away_s)) == 1
    for other in ("FinanceLLMNoWorkers", "FinanceLLMTargetDown"):
        assert watched.prometheus.query(alert(other), at_s=watched.away_s) == []
