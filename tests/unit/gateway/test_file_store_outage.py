"""What callers and the log are told while the file store is away or closed, and that all goes on when it is back."""

import errno
from collections.abc import Callable
from typing import Any, NoReturn

import httpx
import pytest
from structlog.testing import capture_logs

from common.files import FileStore
from tests.unit.gateway.problems import problem

AWAY = OSError(errno.EBUSY, "Service Unavailable")
DENIED = PermissionError("Access Denied")
CALLS = ("open", "writing", "read", "age_s", "delete", "delete_prefix")


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[OSError], None]:
    """Lets every call of the file store raise an error from now on."""

    def fail(error: OSError) -> None:
        def call(*_arguments: object) -> NoReturn:
            raise error

        for name in CALLS:
            monkeypatch.setattr(FileStore, name, call)

    return fail


class Uses:
    """Every way in which the gateway uses the file store, over what was kept while it was there."""

    def __init__(self, client: httpx.AsyncClient, file: str, collection: str) -> None:
        self._client = client
        self._file = file
        self._collection = collection

    @classmethod
    async def prepared(cls, client: httpx.AsyncClient) -> "Uses":
        """Keep a file and a report."""
        form: dict[str, Any] = {"data": {"purpose": "batch"}, "files": {"file": ("in.jsonl", b"{}")}}
        file = (await client.post("/v1/files", **form)).json()["id"]
        collection = (await client.post("/v1/collections", json={"name": "Reports"})).json()["id"]
        uses = cls(client, f"/v1/files/{file}", f"/v1/collections/{collection}")
        assert (await uses.report()).status_code == 202
        return uses

    async def upload(self) -> httpx.Response:
        """Keep a file."""
        return await self._client.post(
            "/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", b"{}" * 600_000)}
        )

    async def content(self) -> httpx.Response:
        """Read a file."""
        return await self._client.get(f"{self._file}/content")

    async def deletion(self) -> httpx.Response:
        """Delete a file."""
        return await self._client.delete(self._file)

    async def report(self) -> httpx.Response:
        """Keep a report."""
        return await self._client.post(f"{self._collection}/documents", files={"file": ("a.txt", b"Assets were 12.")})

    async def collection_deletion(self) -> httpx.Response:
        """Delete a report with its bytes."""
        return await self._client.delete(self._collection)


@pytest.mark.parametrize("use", [Uses.upload, Uses.content, Uses.deletion, Uses.report, Uses.collection_deletion])
@pytest.mark.parametrize(
    ("error", "told"), [(AWAY, "The file store does not answer"), (DENIED, "closed to the service: access is denied")]
)
async def test_a_file_store_in_trouble_is_told_as_an_outage(
    client: httpx.AsyncClient,
    fails: Callable[[OSError], None],
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Uses], Any],
    error: OSError,
    told: str,
) -> None:
    # Given a file and a report, and a file store whose every call fails
    uses = await Uses.prepared(client)
    fails(error)
    # When it is needed, then the caller may try again, and the log says why
    with capture_logs() as logs:
        problem(await use(uses), 503, "unavailable")
    assert any(told in entry.get("reason", "") for entry in logs)
    # And when the store is back, then files and reports are kept as before
    monkeypatch.undo()
    assert (await uses.upload()).status_code == 200
    await Uses.prepared(client)
