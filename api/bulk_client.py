"""The HTTP calls of a bulk run: collections, uploads, queries, rows."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from api.client import MOST_REFUSALS, ApiClient, JsonObject
from common.queries import Row

_PAGE = 500
_QUERIES_A_PAGE = 100
# With the two seconds that a 503 asks for these are two minutes, in which a Redis that is started again is back.
MOST_OUTAGES = 3 * MOST_REFUSALS

T = TypeVar("T")


class BulkClient:
    """Talks to one service about collections; errors are those of ApiClient.

    A refusal for the time being, 429 or 503, is waited out as long as the service asks. Not so by `queries`, `ask` and
    `retry`, which make one step for `patiently`: a query may have been accepted though its answer was lost.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def patiently(self, step: Callable[[], T]) -> T:
        """Return what a step returns, doing all of it again after a refusal for the time being."""
        return self._client.patiently(step, MOST_OUTAGES)

    def collection(self, name: str) -> JsonObject:
        """Return the newest collection of this name, created if there is none."""
        return self.patiently(lambda: self._found(name) or self._created(name))

    def documents(self, collection_id: str) -> list[JsonObject]:
        """Return all documents of a collection."""
        found: list[JsonObject] = []
        while True:
            after = found[-1]["id"] if found else None
            page = self._read(f"/v1/collections/{collection_id}/documents", _paging(_PAGE, after))
            found.extend(page["data"])
            if not page["has_more"]:
                return found

    def upload(self, collection_id: str, name: str, path: Path) -> list[JsonObject]:
        """Send one file, streamed from the disk; returns its document, or those of an archive."""

        def send() -> JsonObject:
            with path.open("rb") as file:
                return self._client.call(
                    "POST", f"/v1/collections/{collection_id}/documents", files={"file": (name, file)}
                )

        return list(self.patiently(send)["data"])

    def queries(self, collection_id: str) -> Iterator[JsonObject]:
        """Yield the queries of a collection, newest first."""
        after = None
        while True:
            path = f"/v1/collections/{collection_id}/queries"
            page = self._client.call("GET", path, params=_paging(_QUERIES_A_PAGE, after))
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]

    def ask(self, collection_id: str, body: JsonObject) -> JsonObject:
        """Start a query."""
        return self._client.call("POST", f"/v1/collections/{collection_id}/queries", json=body)

    def retry(self, query: JsonObject) -> JsonObject:
        """Ask the failed rows of a query again."""
        return self._client.call("POST", f"{_path(query)}/retry")

    def query(self, query: JsonObject) -> JsonObject:
        """Return a query as it stands now."""
        return self._read(_path(query))

    def rows(self, query: JsonObject) -> Iterator[Row]:
        """Yield all rows of a query as they stand now."""
        after: int | None = None
        while True:
            params = {"limit": str(_PAGE)} | ({"after": str(after)} if after is not None else {})
            page = self._read(f"{_path(query)}/rows", params)
            yield from (Row.model_validate(row) for row in page["data"])
            if not page["has_more"] or not page["data"]:
                return
            after = page["last_index"]

    def _read(self, path: str, params: dict[str, str] | None = None) -> JsonObject:
        return self.patiently(lambda: self._client.call("GET", path, params=params))

    def _found(self, name: str) -> JsonObject | None:
        after = None
        while True:
            page = self._client.call("GET", "/v1/collections", params=_paging(100, after))
            found: JsonObject | None = next((one for one in page["data"] if one["name"] == name), None)
            if found is not None or not page["has_more"]:
                return found
            after = page["last_id"]

    def _created(self, name: str) -> JsonObject:
        return self._client.call("POST", "/v1/collections", json={"name": name})


def _paging(limit: int, after: str | None) -> dict[str, str]:
    return {"limit": str(limit)} | ({"after": after} if after else {})


def _path(query: JsonObject) -> str:
    return f"/v1/collections/{query['collection_id']}/queries/{query['id']}"


def upload_names(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """Return the files to send with their names: those of folders by their path inside it, hidden ones left out."""
    found: list[tuple[str, Path]] = []
    for path in paths:
        if path.is_dir():
            inside = (file for file in sorted(path.rglob("*")) if file.is_file())
            named = [(file.relative_to(path).as_posix(), file) for file in inside]
            found += [(name, file) for name, file in named if not any(part[0] == "." for part in name.split("/"))]
        else:
            found.append((path.name, path))
    return found
