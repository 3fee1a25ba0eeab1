"""Webhook addresses are checked again at every delivery."""

from tests.integration.worker.test_webhooks import SECRET, delivered, receiver
from tests.support.worker_process import Workers


def test_a_private_address_is_never_connected_to(workers: Workers) -> None:
    # Given a worker that may call public addresses only, when a job names a loopback one, as after DNS rebinding
    workers.start({"FINANCELLM_WEBHOOK_SECRET": SECRET, "FINANCELLM_WEBHOOK_DELAYS_S": "[0.1]"})
    with receiver(200) as target:
        port = target.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            state = delivered(workers, f"http://{host}:{port}/")
            # Then it is given up with the reason
            assert state.status == "failed"
            assert "private" in (state.last_error or "")
    # and nobody was called
    assert target.requests == []


def test_without_a_secret_nothing_is_sent(workers: Workers) -> None:
    workers.start({"FINANCELLM_ALLOW_PRIVATE_WEBHOOKS": "true"})
    with receiver(200) as target:
        state = delivered(workers, target.url)
    assert state.status == "failed"
    assert "FINANCELLM_WEBHOOK_SECRET" in (state.last_error or "")
    assert target.requests == []
