"""Files over HTTP: uploads that are streamed, refused early, and seen by their owner alone."""

import hashlib
from pathlib import Path
from typing import Any

import httpx

from tests.unit.gateway.conftest import MakeClient

DATA = b'{"custom_id": "a"}\n' * 200_000


async def upload(client: httpx.AsyncClient, data: bytes = DATA, **fields: str) -> httpx.Response:
    """Upload a batch input."""
    form = {"purpose": "batch"} | fields
    return await client.post("/v1/files", data=form, files={"file": ("dir/in.jsonl", data)})


def stored(folder: Path) -> list[Path]:
    """Files in the store, unfinished ones included."""
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


async def test_a_file_comes_back_as_it_was_sent(client: httpx.AsyncClient) -> None:
    # Given an uploaded file
    answer = await upload(client)
    assert answer.status_code == 200, answer.text
    file = answer.json()
    assert (file["object"], file["purpose"], file["filename"]) == ("file", "batch", "in.jsonl")
    assert file["bytes"] == len(DATA)
    assert file["expires_at"] is None
    # When it is asked for, then record and bytes are the same
    assert (await client.get(f"/v1/files/{file['id']}")).json() == file
    content = await client.get(f"/v1/files/{file['id']}/content")
    assert hashlib.sha256(content.content).digest() == hashlib.sha256(DATA).digest()


async def test_files_are_listed_in_pages(client: httpx.AsyncClient) -> None:
    ids = [(await upload(client, b"{}")).json()["id"] for _ in range(5)]
    page: dict[str, Any] = (await client.get("/v1/files?limit=2&order=asc")).json()
    assert [file["id"] for file in page["data"]] == ids[:2]
    assert page["has_more"] is True
    rest = (await client.get(f"/v1/files?after={page['last_id']}&order=asc&purpose=batch")).json()
    assert [file["id"] for file in rest["data"]] == ids[2:]
    assert rest["has_more"] is False
    assert [file["id"] for file in (await client.get("/v1/files")).json()["data"]] == ids[::-1]
    assert (await client.get("/v1/files?purpose=batch_output")).json()["data"] == []


async def test_a_deleted_file_is_gone_with_its_bytes(client: httpx.AsyncClient, tmp_path: Path) -> None:
    file_id = (await upload(client)).json()["id"]
    assert (await client.delete(f"/v1/files/{file_id}")).json() == {"id": file_id, "object": "file", "deleted": True}
    assert (await client.get(f"/v1/files/{file_id}")).status_code == 404
    assert not stored(tmp_path)


async def test_expires_after_is_honoured(client: httpx.AsyncClient) -> None:
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = (await upload(client, b"{}", **fields)).json()
    assert file["expires_at"] == file["created_at"] + 3600


async def test_what_cannot_be_honoured_is_refused_by_name(client: httpx.AsyncClient, tmp_path: Path) -> None:
    # Given forms with one fault each, then the answer names it and nothing is kept
    forms = {
        "purpose": {"purpose": "fine-tune"},
        "colour": {"colour": "red"},
        "expires_after": {"expires_after[anchor]": "created_at"},
        "expires_after[anchor]": {"expires_after[anchor]": "now", "expires_after[seconds]": "3600"},
        "expires_after[seconds]": {"expires_after[anchor]": "created_at", "expires_after[seconds]": "1"},
    }
    for field, form in forms.items():
        answer = await upload(client, b"{}", **form)
        assert answer.status_code == 400, field
        assert answer.json()["errors"][0]["field"] == field
    assert (await client.post("/v1/files", data={"purpose": "batch"}, files={"other": b"1"})).status_code == 400
    assert (await upload(client, b"")).status_code == 400
    assert (await client.post("/v1/files", json={})).status_code == 415
    assert not stored(tmp_path)


async def test_a_large_file_is_refused_before_it_is_read(make_client: MakeClient, tmp_path: Path) -> None:
    # Given a limit of 100,000 bytes
    async with make_client(max_upload_bytes=100_000) as client:
        # When more is declared, or sent without a declaration, then it is refused and nothing is kept
        assert (await upload(client)).status_code == 413
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'

        async def endless() -> Any:
            yield head
            while True:
                yield b"x" * 50_000

        answer = await client.post(
            "/v1/files", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert answer.status_code == 413
        assert answer.json()["code"] == "body_too_large"
    assert not stored(tmp_path)


async def test_a_broken_upload_leaves_nothing(client: httpx.AsyncClient, tmp_path: Path) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"x" * 2_000_000
    answer = await client.post("/v1/files", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 400
    assert not stored(tmp_path)


async def test_another_callers_file_looks_like_none(make_client: MakeClient) -> None:
    # Given a file of alice
    hashes = ",".join(f"{name}={hashlib.sha256(name.encode()).hexdigest()}" for name in ("alice", "bob"))
    async with make_client(api_key_hashes=hashes) as client:
        client.headers["Authorization"] = "Bearer alice"
        file_id = (await upload(client, b"{}")).json()["id"]
        # When bob asks, then there is none
        client.headers["Authorization"] = "Bearer bob"
        for path in (f"/v1/files/{file_id}", f"/v1/files/{file_id}/content"):
            assert (await client.get(path)).status_code == 404
        assert (await client.delete(f"/v1/files/{file_id}")).status_code == 404
        assert (await client.get("/v1/files")).json()["data"] == []
        batch = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        assert (await client.post("/v1/batches", json=batch)).status_code == 400
