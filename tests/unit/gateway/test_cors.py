"""Pages of other origins may call nothing: no preflight is answered, no origin allowed, no change made for one."""

import re
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.keys import new_api_key
from api.settings import ApiSettings
from tests.support.routes import every_route
from tests.unit.gateway.conftest import BASE_URL, MakeClient
from tests.unit.gateway.problems import problem
from tests.unit.gateway.test_files import stored, upload

PREFLIGHT = {
    "Origin": "https://evil.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type",
}
CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
FOREIGN_SENDERS = [
    CROSS_SITE,
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9000"},
    {"Sec-Fetch-Site": "cross-site", "Origin": BASE_URL},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:9000"},
    {"Origin": "null"},
]
OWN_SENDERS = [
    {},
    {"Origin": BASE_URL},
    {"Sec-Fetch-Site": "same-origin", "Origin": BASE_URL},
    # Behind a proxy that names the service otherwise than the browser does.
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://reports.example"},
    {"Sec-Fetch-Site": "none"},
]


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
        response = await client.post("/v1/jobs", content=b'{"question": "q"}', headers={"Content-Type": kind})
        assert response.status_code == 415


@pytest.mark.parametrize("sender", FOREIGN_SENDERS, ids=str)
async def test_a_page_of_another_origin_stores_no_file(
    client: httpx.AsyncClient, tmp_path: Path, sender: dict[str, str]
) -> None:
    """Given no keys, when a browser uploads a file for another origin's page, then 403 says why and nothing is kept."""
    client.headers.update(sender)
    body = problem(await upload(client, b"{}"), 403, "cross_site_request")
    field = next(iter(sender))
    assert body["errors"][0]["field"] == field
    assert sender[field] in body["detail"]
    assert not stored(tmp_path)


@pytest.mark.parametrize("sender", OWN_SENDERS, ids=str)
async def test_own_pages_and_programs_store_files(client: httpx.AsyncClient, sender: dict[str, str]) -> None:
    """Given no keys, when a program or a page of the service's origin uploads a file, then it is kept."""
    client.headers.update(sender)
    assert (await upload(client, b"{}")).status_code == 200


async def test_no_route_changes_anything_for_a_page_of_another_origin(client: httpx.AsyncClient) -> None:
    """Given no keys, when a browser calls any route for another origin's page, then those that change things refuse."""
    for method, template in sorted(every_route(create_app(ApiSettings(engine="fake")))):
        response = await client.request(method, re.sub(r"{[^}]*}", "1", template), headers=CROSS_SITE)
        assert (response.status_code == 403) is (method != "GET"), (method, template)


async def test_a_key_speaks_for_the_caller_whatever_page_holds_it(make_client: MakeClient) -> None:
    """Given keys, when a request with one comes from another origin, then the key decides."""
    key, entry = new_api_key("alice")
    async with make_client(api_key_hashes=entry) as client:
        client.headers.update(CROSS_SITE | {"Authorization": f"Bearer {key}"})
        assert (await upload(client, b"{}")).status_code == 200
