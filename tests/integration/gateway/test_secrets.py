"""Nothing secret reaches a log: keys, signing secrets, passwords, questions and answers."""

from collections.abc import Callable
from pathlib import Path

import httpx

from api.keys import new_api_key
from tests.integration.gateway.conftest import GatewayProcess
from tests.support.redis_process import free_port
from tests.support.stack import Stack

SIGNING_SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
WRONG_KEY = "fl_a-key-that-nobody-has"
QUESTION = "How much did Kestrelmoor Holdings lose?"
CONTEXT = "Kestrelmoor Holdings lost $7 million in 2022."
HOOK_TOKEN = "token-in-an-address"


def use(client: httpx.Client) -> None:
    """Call what handles secrets, well and badly."""
    body = {"question": QUESTION, "context": CONTEXT, "webhook": f"http://127.0.0.1:9/hook?auth={HOOK_TOKEN}"}
    job = client.post("/v1/jobs", json=body, headers={"Prefer": "wait=30"}).json()
    assert job["status"] == "succeeded", job
    chat = {"model": "financellm", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 8}
    assert client.post("/v1/chat/completions", json=chat).status_code == 200
    with client.stream("POST", "/v1/chat/completions", json=chat | {"stream": True}) as response:
        assert "[DONE]" in "".join(response.iter_text())
    upload = {"file": ("in.jsonl", QUESTION.encode())}
    assert client.post("/v1/files", data={"purpose": "batch"}, files=upload).status_code == 200
    assert client.post("/v1/jobs", json={"question": QUESTION, "unknown": CONTEXT}).status_code == 422
    assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {WRONG_KEY}"}).status_code == 401
    assert client.get("/v1/jobs", params={"api_key": WRONG_KEY}).status_code == 422


def test_no_log_holds_a_secret(tmp_path: Path) -> None:
    """Given keys and secrets at the most talkative level, when all are used, then no process wrote one of them."""
    key, entry = new_api_key("analyst")
    settings = {
        "FINANCELLM_API_KEY_HASHES": entry,
        "FINANCELLM_WEBHOOK_SECRET": SIGNING_SECRET,
        "FINANCELLM_ALLOW_PRIVATE_WEBHOOKS": "true",
        "FINANCELLM_LOG_LEVEL": "DEBUG",
    }
    with Stack(tmp_path, "fake", env=settings, api_key=key) as stack:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
            use(client)
        logs = {path.name: path.read_text("utf-8", "replace") for path in (tmp_path / "logs").iterdir()}
    # The logs are there and talk, so that silence is no reason for the rest to hold.
    assert {"api.log", "worker-0.log"} <= set(logs)
    assert '"route": "/v1/jobs"' in logs["api.log"]
    digest = entry.partition("=")[2]
    for name, text in logs.items():
        for secret in (key, digest, WRONG_KEY, SIGNING_SECRET, QUESTION, CONTEXT, "Kestrelmoor", HOOK_TOKEN):
            assert secret not in text, (name, secret)


def test_a_password_of_redis_is_in_no_log_and_no_answer(start_gateway: Callable[..., GatewayProcess]) -> None:
    """Given an address of Redis with a password where nobody answers, when asked, then neither tells the password."""
    gateway = start_gateway(f"redis://:hunter2@127.0.0.1:{free_port()}/0", log_level="DEBUG")
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        answers = [client.get(path) for path in ("/readyz", "/v1/jobs", "/v1/overview", "/metrics")]
        answers.append(client.post("/v1/jobs", json={"question": "q"}))
    assert [answer.status_code for answer in answers] == [503, 503, 503, 200, 503]
    assert not [answer for answer in answers if "hunter2" in answer.text]
    assert "request_failed" in gateway.log.read_text()
    assert "hunter2" not in gateway.log.read_text()
