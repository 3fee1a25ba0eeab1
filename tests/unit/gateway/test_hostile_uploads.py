"""Uploads that are made to hurt: damaged archives, many parts, endless slow bodies, names that lead elsewhere."""

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem

NAMES = ["../../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\x\\y", "%2e%2e%2fx", "a\u202etxt", "."]
ELSEWHERE = ["..%2f..%2fsettings.py", "%2e%2e/settings.py", "..\\settings.py", "%00", "index.html/"]


async def documents_path(client: httpx.AsyncClient) -> str:
    """The path of a new collection's documents."""
    collection = (await client.post("/v1/collections", json={"name": "Reports"})).json()
    return f"/v1/collections/{collection['id']}/documents"


def kept(folder: Path) -> list[str]:
    """The files below a folder, unfinished ones included."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


async def dripping(seconds: float) -> AsyncIterator[bytes]:
    """A form that comes byte by byte and never ends by itself."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        yield b"x"
        await asyncio.sleep(0.01)


async def test_one_damaged_entry_does_not_speak_against_the_others(client: httpx.AsyncClient) -> None:
    """Given an archive of two files, one with a wrong checksum, when sent, then it is told and the other is kept."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("bad.txt", b"Revenue 5")
        archive.writestr("good.txt", b"Costs 3")
    data = file.getvalue().replace(b"Revenue 5", b"Revenue 6")
    path = await documents_path(client)
    response = await client.post(path, files=[("file", ("all.zip", data))])
    assert response.status_code == 202
    told = {document["name"]: (document["error"] or {}).get("code") for document in response.json()["data"]}
    assert told == {"bad.txt": "archive_damaged", "good.txt": None}


async def test_an_archive_with_odd_names_is_no_defect(client: httpx.AsyncClient) -> None:
    """Given an archive whose names are no UTF-8, when sent, then it is one document that says why."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("\u00e4\u00e4.txt", b"x")
    data = file.getvalue().replace("\u00e4\u00e4".encode(), b"\xff\xff\xff\xff")
    response = await client.post(await documents_path(client), files=[("file", ("all.zip", data))])
    (document,) = response.json()["data"]
    assert (document["status"], document["error"]["code"]) == ("failed", "archive_damaged")


async def test_a_form_holds_only_so_many_files(make_client: MakeClient) -> None:
    """Given a form of more files than a request may hold, when sent, then 413."""
    async with make_client(max_archive_files=3) as client:
        path = await documents_path(client)
        sent = [("file", (f"{number}.txt", b"x")) for number in range(4)]
        assert (await client.post(path, files=sent[:3])).status_code == 202
        problem(await client.post(path, files=sent), 413, "body_too_large")


@pytest.mark.parametrize("path", ["/v1/files", "documents"])
async def test_a_body_that_never_ends_is_ended(make_client: MakeClient, path: str, tmp_path: Path) -> None:
    """Given a form that comes byte by byte, when its time for the whole is over, then 408 and nothing is left of it."""
    async with make_client(upload_timeout_s=0.5, upload_idle_timeout_s=60) as client:
        address = await documents_path(client) if path == "documents" else path
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        problem(await client.post(address, content=dripping(600), headers=kind), 408, "body_timeout")
    assert not kept(tmp_path)


@pytest.mark.parametrize("name", NAMES)
async def test_names_lead_nowhere(client: httpx.AsyncClient, tmp_path: Path, name: str) -> None:
    """Given a name that leads elsewhere, when its file is sent, then it lies below the files' folder by hash or id."""
    upload = {"file": (name, b"{}")}
    file = (await client.post("/v1/files", data={"purpose": "batch"}, files=upload)).json()
    assert "/" not in file["filename"]
    assert "\\" not in file["filename"]
    sent = await client.post(await documents_path(client), files=upload)
    (document,) = sent.json()["data"]
    assert ".." not in document["name"].split("/")
    assert not document["name"].startswith("/")
    assert kept(tmp_path) == sorted([f"files/files/{file['id']}", f"files/uploads/{document['sha256']}"])


@pytest.mark.parametrize("path", ELSEWHERE)
async def test_static_files_are_those_of_the_page_alone(client: httpx.AsyncClient, path: str) -> None:
    """Given a path out of the page's folder, when asked for, then 404."""
    assert (await client.get(f"/static/{path}")).status_code == 404
