"""Checks that a refusal has the form every problem has."""

from typing import Any

import httpx


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, checked for the form every problem has."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["type"] == f"urn:financellm:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == response.request.url.path
    assert body["error"]["message"].startswith(body["detail"])
    assert body["error"].keys() == {"message", "type", "param", "code"}
    return body
