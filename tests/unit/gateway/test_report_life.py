"""A report from its upload to its deletion: read again when it must be, and nothing of it left behind."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import fakeredis
import httpx
import pytest

from common import pages, run_operations
from common.collections import upload_key
from common.errors import UnavailableError
from common.files import UNLISTED_AGE_S, FileStore
from common.pages import Document
from common.store import JobStore
from tests.support.file_age import aged
from tests.unit.gateway.problems import problem
from worker.bulk.extractions import ExtractionSource
from worker.bulk.leftovers import Leftovers
from worker.documents import DocumentReader
from worker.retrieval import library as library_module
from worker.retrieval.library import Library
from worker.retrieval.limits import ParseLimits
from worker.retrieval.parse import parse_document
from worker.settings import WorkerSettings

DATA = b"Total assets were 12 million at the end of 2022."
SHA256 = hashlib.sha256(DATA).hexdigest()
SETTINGS = WorkerSettings(engine="fake")


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    """What gateway and worker keep."""
    return FileStore(str(tmp_path / "files"))


@pytest.fixture
def during_reading(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while a file is parsed, which is done in this process."""
    happening: list[Callable[[], None]] = []

    def parse(name: str, data: bytes, _limits: ParseLimits) -> Document:
        for happens in happening:
            happens()
        return parse_document(name, data)

    monkeypatch.setattr(library_module, "parse_isolated", parse)
    return happening


@pytest.fixture
def reader(worker_store: JobStore, files: FileStore, during_reading: list[Callable[[], None]]) -> DocumentReader:
    """The part of a worker that reads documents."""
    return DocumentReader(worker_store, files, Library(files), SETTINGS)


class Report:
    """One report in a collection of its own, over HTTP."""

    def __init__(self, client: httpx.AsyncClient, collection: str, document_id: str) -> None:
        self._client = client
        self.collection = collection
        self.path = f"{collection}/documents/{document_id}"

    @classmethod
    async def uploaded(cls, client: httpx.AsyncClient) -> "Report":
        """Upload it into a new collection."""
        collection = (await client.post("/v1/collections", json={"name": "Reports"})).json()
        path = f"/v1/collections/{collection['id']}"
        sent = await client.post(f"{path}/documents", files={"file": ("a.txt", DATA)})
        return cls(client, path, sent.json()["data"][0]["id"])

    async def upload_again(self) -> None:
        """Send the same file once more."""
        sent = await self._client.post(f"{self.collection}/documents", files={"file": ("a.txt", DATA)})
        assert self.path.endswith(sent.json()["data"][0]["id"])

    async def status(self) -> str:
        """Where it stands."""
        return str((await self._client.get(self.path)).json()["status"])

    async def page(self) -> httpx.Response:
        """Ask for its only page."""
        return await self._client.get(f"{self.path}/pages/1")


def kept(folder: Path) -> list[str]:
    """The folders of the files that are kept, one a file."""
    return sorted(path.parent.name for path in (folder / "files").rglob("*") if path.is_file())


def raise_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the parsers give another text from now on."""
    monkeypatch.setattr(pages, "PARSER_VERSION", pages.PARSER_VERSION + 1)


async def test_pages_that_another_version_read_are_read_again(
    client: httpx.AsyncClient, reader: DocumentReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a report read by an earlier version, when a page is asked for, then it is read again and comes."""
    report = await Report.uploaded(client)
    reader.round()
    assert (await report.page()).status_code == 200
    raise_version(monkeypatch)
    assert "being read again" in problem(await report.page(), 422, "invalid_request")["detail"]
    assert await report.status() == "pending"
    reader.round()
    assert (await report.page()).json()["text"] == DATA.decode()


async def test_a_report_whose_bytes_are_gone_says_so_and_is_read_when_it_comes_again(
    client: httpx.AsyncClient, reader: DocumentReader, files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an earlier version's report without its bytes, when needed, then it says what to do, and that helps."""
    report = await Report.uploaded(client)
    reader.round()
    raise_version(monkeypatch)
    files.delete(upload_key(SHA256))
    await report.page()
    reader.round()
    assert await report.status() == "failed"
    refused = problem(await report.page(), 422, "invalid_request")
    assert refused["detail"] == "a.txt: its bytes are not kept any more. Upload it again."
    await report.upload_again()
    reader.round()
    assert (await report.page()).status_code == 200


async def test_a_query_waits_until_reports_of_another_version_are_read_again(
    client: httpx.AsyncClient,
    worker_store: JobStore,
    reader: DocumentReader,
    files: FileStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given a report read by an earlier version, when it is asked about, then it is read again before the plan."""
    report = await Report.uploaded(client)
    reader.round()
    raise_version(monkeypatch)
    asked = await client.post(f"{report.collection}/queries", json={"questions": ["What were total assets?"]})
    assert asked.status_code == 202, asked.text
    run = worker_store.run(run_operations.lease_run(60_000))
    assert run is not None
    source = ExtractionSource(run, worker_store, files, Library(files), SETTINGS)
    with pytest.raises(UnavailableError, match="read again"):
        list(source.scan())
    with pytest.raises(UnavailableError, match="still being read"):
        list(source.scan())
    reader.round()
    assert len(list(source.scan())) == 1
    (item,) = source.items(0, 0)
    assert [page.page for page in item.payload.pages] == [1]


@pytest.mark.parametrize("others", [False, True], ids=["listed once", "listed twice"])
async def test_a_report_deleted_while_it_is_read_leaves_nothing(
    client: httpx.AsyncClient,
    reader: DocumentReader,
    during_reading: list[Callable[[], None]],
    tmp_path: Path,
    others: bool,
) -> None:
    """Given a report being read, when it is deleted, then nothing of it is left unless another collection lists it."""
    report = await Report.uploaded(client)
    other = await Report.uploaded(client) if others else None
    loop = asyncio.get_running_loop()

    def delete() -> None:
        during_reading.clear()
        deletion = asyncio.run_coroutine_threadsafe(client.delete(report.collection), loop)
        assert deletion.result(timeout=10).status_code == 200

    during_reading.append(delete)
    await asyncio.to_thread(reader.round)
    assert (await report.page()).status_code == 404
    if other is None:
        assert kept(tmp_path) == []
    else:
        assert kept(tmp_path) == ["documents", "segments", "uploads"]
        assert (await other.page()).status_code == 200


async def form_without_redis(redis_server: fakeredis.FakeServer) -> AsyncIterator[bytes]:
    """The form of a report, during which Redis goes away."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="b.txt"\r\n\r\n' + DATA
    redis_server.connected = False
    yield b"\r\n--b--\r\n"


@pytest.mark.parametrize("listed", [False, True], ids=["new bytes", "listed bytes"])
async def test_what_an_upload_without_redis_left_is_removed(
    client: httpx.AsyncClient,
    redis_server: fakeredis.FakeServer,
    worker_store: JobStore,
    files: FileStore,
    tmp_path: Path,
    listed: bool,
) -> None:
    """Given an upload that ended in 503, when its bytes are old, then they go unless a document lists the same."""
    if listed:
        await Report.uploaded(client)
    collection = (await client.post("/v1/collections", json={"name": "Empty"})).json()
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    sent = form_without_redis(redis_server)
    path = f"/v1/collections/{collection['id']}/documents"
    problem(await client.post(path, content=sent, headers=kind), 503, "unavailable")
    redis_server.connected = True
    assert kept(tmp_path) == ["uploads"]
    worker_store.client.set(f"{worker_store.keys.root}kept_since_ms", 0)
    aged(tmp_path / "files", upload_key(SHA256), UNLISTED_AGE_S + 60)

    Leftovers(worker_store, files).round()

    assert kept(tmp_path) == (["uploads"] if listed else [])


async def test_an_upload_over_old_bytes_makes_them_young(
    client: httpx.AsyncClient, files: FileStore, tmp_path: Path
) -> None:
    """Given old bytes that may be about to be removed, when they are uploaded, then they are written again."""
    aged(tmp_path / "files", upload_key(SHA256), UNLISTED_AGE_S - 60)
    await Report.uploaded(client)
    age_s = files.age_s(upload_key(SHA256))
    assert age_s is not None
    assert age_s < 60
    assert files.read(upload_key(SHA256)) == DATA
