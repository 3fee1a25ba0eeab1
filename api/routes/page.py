"""The web page, and the description of the API for people."""

from functools import lru_cache

from fastapi import APIRouter, Request, Response

from api.page_files import PageFile, read_page_files
from common.errors import NotFoundError

INDEX_PATH = "/"
DOCS_PATH = "/docs"
# Scripts, styles and requests of our own only, and no text that could become markup.
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
READ = ["GET", "HEAD"]

router = APIRouter(include_in_schema=False)
page_files = lru_cache(maxsize=1)(read_page_files)


@router.api_route(INDEX_PATH, methods=READ)
async def index(request: Request) -> Response:
    """Return the page."""
    return _answer(request, page_files()["index.html"])


@router.api_route(DOCS_PATH, methods=READ)
async def docs(request: Request) -> Response:
    """Return the page that shows /openapi.json."""
    return _answer(request, page_files()["docs.html"])


@router.api_route("/static/{name}", methods=READ)
async def static_file(request: Request, name: str) -> Response:
    """Return one of the page's files; raises NotFoundError."""
    found = page_files().get(name)
    if found is None:
        raise NotFoundError(f"The page has no file {name[:64]!r}.")
    return _answer(request, found)


def _answer(request: Request, file: PageFile) -> Response:
    # Browsers keep the files and ask each time whether they changed, so a new version shows at once.
    headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    if file.etag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _tags(field: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in field.split(",")}
