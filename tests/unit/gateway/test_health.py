"""Liveness, readiness, metrics and models."""

from pathlib import Path

import fakeredis
import httpx
from prometheus_client.parser import text_string_to_metric_families

from common.jobs import Lane
from common.model_files import ModelManifest
from common.operations import claim, heartbeat
from common.store import JobStore
from tests.support.values import WORKER
from tests.unit.gateway.conftest import MakeClient


async def test_readiness_names_each_part(
    client: httpx.AsyncClient, worker_store: JobStore, redis_server: fakeredis.FakeServer
) -> None:
    """Given no worker, then a worker, then a draining one, then no Redis, then the body says which is away."""
    seen = []
    for change in ("nothing", "worker", "draining", "redis"):
        if change == "worker":
            worker_store.run(heartbeat(WORKER, 1_000, []))
        if change == "draining":
            worker_store.run(heartbeat(WORKER.model_copy(update={"draining": True}), 1_000, []))
        redis_server.connected = change != "redis"
        response = await client.get("/readyz")
        seen.append((response.status_code, response.json()["redis"], response.json()["worker"]))
        assert (await client.get("/livez")).status_code == 200
    assert seen == [
        (503, "ok", "none_seen"),
        (200, "ok", "ok"),
        (503, "ok", "none_seen"),
        (503, "unavailable", "unknown"),
    ]


async def test_a_full_queue_does_not_make_the_service_unready(make_client: MakeClient, worker_store: JobStore) -> None:
    """Given a full queue, when probed, then it is ready all the same: restarting would not help."""
    worker_store.run(heartbeat(WORKER, 1_000, []))
    async with make_client(max_backlog_tokens=1_000) as client:
        for _ in range(10):
            response = await client.post("/v1/jobs", json={"question": "q"})
        assert response.status_code == 429
        assert (await client.get("/readyz")).status_code == 200


async def metrics(client: httpx.AsyncClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples by name and labels."""
    response = await client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


async def test_metrics_show_queues_workers_and_requests(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given a queued and a running job, when scraped, then queues, workers and requests by route are there."""
    worker_store.run(heartbeat(WORKER, 1_000, []))
    for lane in ("interactive", "interactive", "bulk"):
        await client.post("/v1/jobs", json={"question": "q", "lane": lane})
    worker_store.run(claim("w1", Lane.INTERACTIVE, 10_000))
    await client.get("/v1/jobs/job_unknown")
    await client.get("/v1/jobs/job_unknown2")
    await client.get("/nowhere")
    await client.post("/v1/jobs", json={"question": "q", "max_tokens": 5_000})
    found = await metrics(client)
    assert found["vllm:num_requests_waiting", (("lane", "interactive"),)] == 1
    assert found["vllm:num_requests_waiting", (("lane", "bulk"),)] == 1
    assert found["vllm:num_requests_running", ()] == 1
    assert found["financellm_workers", ()] == 1
    assert found["financellm_tokens_per_second", ()] == 100
    assert found["financellm_jobs_total", (("state", "accepted"),)] == 3
    requests = "financellm_http_requests_total"
    assert found[requests, (("method", "POST"), ("route", "/v1/jobs"), ("status", "202"))] == 3
    assert found[requests, (("method", "GET"), ("route", "/v1/jobs/{job_id}"), ("status", "404"))] == 2
    assert found[requests, (("method", "GET"), ("route", "unmatched"), ("status", "404"))] == 1
    assert found["financellm_admission_refusals_total", (("code", "prompt_too_long"),)] == 1


async def test_metrics_do_not_show_old_queues_while_redis_is_away(
    client: httpx.AsyncClient, redis_server: fakeredis.FakeServer
) -> None:
    """Given queues that were known, when Redis goes away, then their gauges are NaN and the rest is still there."""
    await metrics(client)
    redis_server.connected = False
    found = await metrics(client)
    assert found["vllm:num_requests_running", ()] != found["vllm:num_requests_running", ()]
    assert found["financellm_event_listeners", ()] == 0


async def test_models_come_from_the_manifest_and_live_workers(
    make_client: MakeClient, worker_store: JobStore, tmp_path: Path
) -> None:
    """Given a prepared model, one worker on it and one on another, when listed, then both models and workers show."""
    folder = tmp_path / "model"
    folder.mkdir()
    ModelManifest(
        name="finance",
        base="Qwen/Qwen2-0.5B-Instruct",
        base_sha256="0" * 64,
        adapter="tatqa",
        adapter_sha256="1" * 64,
        revision="abc123",
        tokenizer_sha256="2" * 64,
        files={},
        created_at="2026-01-02T03:04:05+00:00",
        scores={"tatqa_f1": 70.5},
    ).write(folder)
    same = WORKER.model_copy(update={"name": "w1", "model": "finance", "model_revision": "abc123"})
    for worker in (same, WORKER.model_copy(update={"name": "w2"})):
        worker_store.run(heartbeat(worker, 1_000, []))
    async with make_client() as client:
        prepared, served = (await client.get("/v1/models")).json()["data"]
    assert (prepared["id"], prepared["object"], prepared["created"]) == ("finance", "model", 1767323045)
    assert (prepared["base"], prepared["adapter"], prepared["revision"], prepared["scores"]) == (
        "Qwen/Qwen2-0.5B-Instruct", "tatqa", "abc123", {"tatqa_f1": 70.5}
    )  # fmt: skip
    assert [worker["name"] for worker in prepared["workers"]] == ["w1"]
    assert (served["id"], [worker["name"] for worker in served["workers"]]) == ("fake", ["w2"])
