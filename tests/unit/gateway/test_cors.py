"""Pages of other origins may call nothing: no route answers a preflight, and no answer allows an origin."""

import re

import httpx

from api.app import create_app
from api.settings import ApiSettings
from tests.support.routes import every_route

PREFLIGHT = {
    "Origin": "https://evil.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type",
}


async def test_no_route_lets_another_origin_in(client: httpx.AsyncClient) -> None:
    """Given every route, when a browser asks for a foreign page whether it may call it, then nothing says yes."""
    paths = {re.sub(r"{[^}]*}", "1", path) for _, path in every_route(create_app(ApiSettings(engine="fake")))}
    assert len(paths) > 20
    for path in sorted(paths):
        response = await client.options(path, headers=PREFLIGHT)
        assert response.status_code in (404, 405), path
        assert not [name for name in response.headers if name.startswith("access-control")], path


async def test_a_page_cannot_post_without_asking(client: httpx.AsyncClient) -> None:
    """Given the types that browsers send without a preflight, when they carry a question, then 415."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        headers = {"Content-Type": kind, "Origin": "https://evil.example"}
        response = await client.post("/v1/jobs", content=b'{"question": "q"}', headers=headers)
        assert response.status_code == 415
