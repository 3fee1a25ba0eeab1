"""Collections over HTTP: upload, listing, pages, callers apart; the test plays the worker."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import httpx

from api.keys import new_api_key
from common import collection_operations as operations
from common.collections import DocumentFacts
from common.files import FileStore
from common.pages import Document, MediaKind, Page, document_key
from common.store import JobStore
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem

PDF = b"%PDF-1.4 not really"


async def _collection(client: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    response = await client.post("/v1/collections", json={"name": "Reports"}, headers=headers)
    assert response.status_code == 201
    assert response.headers["Location"].endswith(response.json()["id"])
    body: dict[str, Any] = response.json()
    return body


def _files(**contents: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("file", (name.replace("_", "."), data, "application/pdf")) for name, data in contents.items()]


async def test_reports_are_kept_under_their_hash_and_listed(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Given a collection, when two files are sent, then both are pending and their bytes are kept once."""
    collection = await _collection(client)
    path = f"/v1/collections/{collection['id']}"
    response = await client.post(f"{path}/documents", files=_files(a_pdf=PDF, b_pdf=PDF))
    assert response.status_code == 202
    first, second = response.json()["data"]
    sha256 = hashlib.sha256(PDF).hexdigest()
    assert (first["name"], first["status"], first["bytes"], first["sha256"]) == ("a.pdf", "pending", len(PDF), sha256)
    assert second["sha256"] == sha256
    assert [file.name for file in (tmp_path / "files" / "uploads").iterdir()] == [sha256]
    assert (await client.get(path)).json()["documents"] == {"total": 2, "ready": 0, "pending": 2, "failed": 0}
    assert (await client.get(f"{path}/documents")).json()["data"] == [first, second]
    assert (await client.get(f"{path}/documents/{first['id']}")).json() == first
    page = (await client.get(f"{path}/documents", params={"limit": 1})).json()
    assert (page["has_more"], page["last_id"]) == (True, first["id"])
    rest = (await client.get(f"{path}/documents", params={"after": first["id"]})).json()
    assert rest["data"] == [second]


async def test_archives_are_unpacked_and_trouble_is_told_by_name(make_client: MakeClient) -> None:
    """Given an archive with a traversing name and a file over the limit, when sent, then each has its own status."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("2022/a.txt", b"Revenue 5")
        archive.writestr("../up.txt", b"x")
    async with make_client(max_document_bytes=50) as client:
        path = f"/v1/collections/{(await _collection(client))['id']}/documents"
        sent = [("file", ("all.zip", file.getvalue())), ("file", ("large.txt", b"x" * 60)), ("file", ("b.txt", b"ok"))]
        documents = (await client.post(path, files=sent)).json()["data"]
        again = (await client.post(path, files=sent)).json()["data"]
    told = {document["name"]: (document["status"], (document["error"] or {}).get("code")) for document in documents}
    assert told == {
        "2022/a.txt": ("pending", None),
        "up.txt": ("failed", "document_unsafe_name"),
        "large.txt": ("failed", "document_too_large"),
        "b.txt": ("pending", None),
    }
    assert again == documents


async def test_what_is_no_form_with_files_is_refused(make_client: MakeClient) -> None:
    """Given bodies that are no such form, when sent, then the refusal says what to send."""
    async with make_client(max_reports_upload_bytes=2_000) as client:
        path = f"/v1/collections/{(await _collection(client))['id']}/documents"
        problem(await client.post(path, json={}), 415, "unsupported_media_type")
        problem(await client.post(path, files={"other": ("a.pdf", PDF)}), 422, "invalid_request")
        problem(await client.post(path, files=_files(a_pdf=b"x" * 3_000)), 413, "body_too_large")
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        problem(await client.post(path, content=b"--b\r\nbroken", headers=kind), 400, "malformed_body")
        problem(await client.post(path, content=b"--b--\r\n", headers=kind), 422, "invalid_request")
        problem(await client.post("/v1/collections/col_1/documents", files=_files(a_pdf=PDF)), 404, "not_found")


async def test_pages_of_ready_documents_can_be_read(
    client: httpx.AsyncClient, worker_store: JobStore, tmp_path: Path
) -> None:
    """Given a document a worker has read, when a page is asked for, then its text comes; others say what is there."""
    collection = await _collection(client)
    path = f"/v1/collections/{collection['id']}/documents"
    document = (await client.post(path, files=_files(a_pdf=PDF))).json()["data"][0]
    page = f"{path}/{document['id']}/pages"
    problem(await client.get(f"{page}/1"), 422, "invalid_request")
    claimed = worker_store.run(operations.claim_document("w", 10_000, 3))
    assert claimed is not None
    parsed = Document(claimed.sha256, "a.pdf", MediaKind.PDF, (Page(1, "Revenue | 5"), Page(2, "Notes")))
    FileStore(str(tmp_path / "files")).write(document_key(parsed.address), parsed.to_bytes())
    worker_store.run(operations.document_ready(claimed, DocumentFacts(pages=2, company="ACME")))
    assert (await client.get(f"{page}/1")).json() == {
        "document_id": document["id"],
        "document": "a.pdf",
        "page": 1,
        "pages": 2,
        "text": "Revenue | 5",
    }
    assert (await client.get(f"{path}/{document['id']}")).json()["company"] == "ACME"
    problem(await client.get(f"{page}/3"), 404, "not_found")
    problem(await client.get(f"{page}/0"), 422, "invalid_request")


async def test_deleting_removes_the_files_nobody_lists(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Given a file in two collections, when one and then the other is deleted, then the bytes go with the second."""
    first, second = await _collection(client), await _collection(client)
    for collection in (first, second):
        await client.post(f"/v1/collections/{collection['id']}/documents", files=_files(a_pdf=PDF))
    uploads = tmp_path / "files" / "uploads"
    response = await client.delete(f"/v1/collections/{first['id']}")
    assert response.json() == {"id": first["id"], "object": "collection", "deleted": True}
    assert len(list(uploads.iterdir())) == 1
    document = (await client.get(f"/v1/collections/{second['id']}/documents")).json()["data"][0]
    await client.delete(f"/v1/collections/{second['id']}/documents/{document['id']}")
    assert not list(uploads.iterdir())
    assert (await client.get(f"/v1/collections/{second['id']}")).json()["bytes"] == 0
    problem(await client.get(f"/v1/collections/{first['id']}"), 404, "not_found")


async def test_callers_do_not_see_each_others_collections(make_client: MakeClient) -> None:
    """Given two callers, when one asks for the other's collection, then it looks like none, on every route."""
    (alice, alice_entry), (bob, bob_entry) = new_api_key("alice"), new_api_key("bob")
    async with make_client(api_key_hashes=f"{alice_entry},{bob_entry}") as client:
        mine = {"Authorization": f"Bearer {alice}"}
        theirs = {"Authorization": f"Bearer {bob}"}
        path = f"/v1/collections/{(await _collection(client, **mine))['id']}"
        sent = await client.post(f"{path}/documents", files=_files(a_pdf=PDF), headers=mine)
        document = f"{path}/documents/{sent.json()['data'][0]['id']}"
        assert (await client.get("/v1/collections", headers=theirs)).json()["data"] == []
        for address in (path, f"{path}/documents", document, f"{document}/pages/1"):
            problem(await client.get(address, headers=theirs), 404, "not_found")
        for address in (path, document):
            problem(await client.delete(address, headers=theirs), 404, "not_found")
        problem(await client.post(f"{path}/documents", files=_files(b_pdf=PDF), headers=theirs), 404, "not_found")
        assert (await client.get(document, headers=mine)).status_code == 200
