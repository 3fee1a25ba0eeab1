"""Webhooks delivered by a real worker to a real receiver."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from common.jobs import WebhookState
from tests.support.worker_process import QUICK_LEASES, Workers

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
SETTINGS = {
    "FINANCELLM_WEBHOOK_SECRET": SECRET,
    "FINANCELLM_ALLOW_PRIVATE_WEBHOOKS": "true",
    "FINANCELLM_WEBHOOK_DELAYS_S": "[0.2, 0.2]",
    "FINANCELLM_WEBHOOK_TIMEOUT_S": "1",
}


class Receiver:
    """Answers each request with the next of `statuses`, the last one for ever; status 0 never answers."""

    def __init__(self, *statuses: int) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._statuses = list(statuses)
        self._release = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                statuses = receiver._statuses
                status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
                if status == 0:
                    receiver._release.wait(20)
                    return
                self.send_response(status)
                self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiver(*statuses: int) -> Iterator[Receiver]:
    running = Receiver(*statuses)
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def workers(redis_url: str, tmp_path: Path) -> Iterator[Workers]:
    with Workers(redis_url, tmp_path, {**QUICK_LEASES, **SETTINGS}) as running:
        running.start()
        yield running


def delivered(workers: Workers, url: str) -> WebhookState:
    """Run a job with a webhook and wait until its delivery is settled."""
    job_id = workers.submit("Question", webhook_url=url)

    def state() -> WebhookState:
        webhook = workers.job(job_id).webhook
        assert webhook is not None
        return webhook

    workers.wait_until(lambda: state().status in {"delivered", "failed"}, 20, "the webhook")
    return state()


def test_a_webhook_is_signed_small_and_delivered_once(workers: Workers) -> None:
    with receiver(204) as target:
        state = delivered(workers, f"{target.url}/hook?x=1")
    assert (state.status, state.attempts) == ("delivered", 1)
    [(path, headers, body)] = target.requests
    assert path == "/hook?x=1"
    assert headers["host"] == target.url.removeprefix("http://")
    payload = Webhook(SECRET).verify(body, headers)
    assert payload["type"] == "job.succeeded"
    assert payload["data"]["status"] == "succeeded"
    assert payload["data"]["link"] == f"/v1/jobs/{payload['data']['id']}"
    assert len(body) < 1000


def test_failing_receivers_are_tried_again_with_the_same_message(workers: Workers) -> None:
    with receiver(500, 302, 200) as target:
        state = delivered(workers, target.url)
    assert (state.status, state.attempts) == ("delivered", 3)
    assert {path for path, _, _ in target.requests} == {"/"}
    assert len({headers["webhook-id"] for _, headers, _ in target.requests}) == 1
    assert len({body for _, _, body in target.requests}) == 1
    for _, headers, body in target.requests:
        assert json.loads(body) == Webhook(SECRET).verify(body, headers)


def test_deliveries_end_after_the_last_delay(workers: Workers) -> None:
    with receiver(503) as target:
        state = delivered(workers, target.url)
    assert (state.status, state.attempts, len(target.requests)) == ("failed", 3, 3)
    assert state.last_error == "the receiver answered 503"


def test_gone_ends_deliveries_at_once(workers: Workers) -> None:
    with receiver(410) as target:
        state = delivered(workers, target.url)
    assert (state.status, state.attempts) == ("failed", 1)


def test_a_hanging_receiver_costs_its_own_delivery_only(workers: Workers) -> None:
    # Given a receiver that never answers and one that does
    with receiver(0) as silent, receiver(200) as good:
        workers.submit("Silent", webhook_url=silent.url)
        # Then the good one is told all the same, and the silent one is given up in time
        assert delivered(workers, good.url).status == "delivered"
        state = delivered(workers, silent.url)
    assert state.status == "failed"
    assert state.last_error == "no answer within 1 s"


def test_nobody_listening_is_a_failure_that_says_so(workers: Workers) -> None:
    with receiver(200) as target:
        pass
    state = delivered(workers, target.url)
    assert state.status == "failed"
    assert "ConnectError" in (state.last_error or "")
