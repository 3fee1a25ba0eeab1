"""The HTTP calls of a bulk run: collections, uploads, queries, rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from api.client import ApiClient, JsonObject
from common.queries import Row

_PAGE = 500


class BulkClient:
    """Talks to one service about collections; errors are those of ApiClient."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def collection(self, name: str) -> JsonObject:
        """Return the newest collection of this name, created if there is none."""
        after = None
        while True:
            page = self._client.call("GET", "/v1/collections", params=_paging(100, after))
            found = next((one for one in page["data"] if one["name"] == name), None)
            if found is not None:
                return dict(found)
            if not page["has_more"]:
                return self._client.call("POST", "/v1/collections", json={"name": name})
            after = page["last_id"]

    def documents(self, collection_id: str) -> list[JsonObject]:
        """Return all documents of a collection."""
        found: list[JsonObject] = []
        while True:
            after = found[-1]["id"] if found else None
            path = f"/v1/collections/{collection_id}/documents"
            page = self._client.call("GET", path, params=_paging(_PAGE, after))
            found.extend(page["data"])
            if not page["has_more"]:
                return found

    def upload(self, collection_id: str, name: str, path: Path) -> list[JsonObject]:
        """Send one file, streamed from the disk; returns its document, or those of an archive."""
        with path.open("rb") as file:
            answer = self._client.call(
                "POST", f"/v1/collections/{collection_id}/documents", files={"file": (name, file)}
            )
        return list(answer["data"])

    def queries(self, collection_id: str) -> list[JsonObject]:
        """Return the newest queries of a collection."""
        page = self._client.call("GET", f"/v1/collections/{collection_id}/queries", params={"limit": "100"})
        return list(page["data"])

    def ask(self, collection_id: str, body: JsonObject) -> JsonObject:
        """Start a query."""
        return self._client.call("POST", f"/v1/collections/{collection_id}/queries", json=body)

    def query(self, query: JsonObject) -> JsonObject:
        """Return a query as it stands now."""
        return self._client.call("GET", _path(query))

    def retry(self, query: JsonObject) -> JsonObject:
        """Ask the failed rows of a query again."""
        return self._client.call("POST", f"{_path(query)}/retry")

    def rows(self, query: JsonObject) -> Iterator[Row]:
        """Yield all rows of a query as they stand now."""
        after: int | None = None
        while True:
            params = {"limit": str(_PAGE)} | ({"after": str(after)} if after is not None else {})
            page = self._client.call("GET", f"{_path(query)}/rows", params=params)
            yield from (Row.model_validate(row) for row in page["data"])
            if not page["has_more"] or not page["data"]:
                return
            after = page["last_index"]


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
