"""A parsed report as it is kept: numbered pages of text in which table rows read `label | cell | cell`."""

import gzip
import json
from dataclasses import dataclass
from enum import StrEnum

# Part of every content address: a change of the text a parser gives must change it.
PARSER_VERSION = 5

# Pages and indexes, each under the content address of their file.
MADE_FOLDERS = ("documents/", "segments/")


class MediaKind(StrEnum):
    """What sort of file a document was."""

    PDF = "pdf"
    HTML = "html"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `number` counts from one, as readers of the file count. An empty cell of a row is kept as nothing."""

    number: int
    text: str

    def lines(self) -> list[str]:
        """Return the lines that hold something."""
        return [line for line in self.text.split("\n") if line.strip()]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document; `sha256` is that of the file, `notes` are sentences about what was odd but readable."""

    sha256: str
    name: str
    kind: MediaKind
    pages: tuple[Page, ...]
    notes: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Return the content address: equal for equal bytes read by the same parsers, whatever the file is called."""
        return content_address(self.sha256)

    def page(self, number: int) -> Page:
        """Return a page by its number (from one); raises IndexError if there is none."""
        if not 1 <= number <= len(self.pages):
            raise IndexError(f"{self.name} has pages 1 to {len(self.pages)}, not {number}")
        return self.pages[number - 1]

    def to_bytes(self) -> bytes:
        """Return the document as gzip-compressed JSON; equal documents give equal bytes."""
        body = {
            "parser_version": PARSER_VERSION,
            "sha256": self.sha256,
            "name": self.name,
            "kind": self.kind,
            "notes": self.notes,
            "pages": [page.text for page in self.pages],
        }
        return gzip.compress(json.dumps(body, ensure_ascii=False).encode(), compresslevel=6, mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Document":
        """Read what `to_bytes` wrote; raises ValueError if another parser version wrote it."""
        body = json.loads(gzip.decompress(data))
        if body["parser_version"] != PARSER_VERSION:
            raise ValueError(f"parsed by version {body['parser_version']}, this is version {PARSER_VERSION}")
        pages = tuple(Page(number, text) for number, text in enumerate(body["pages"], start=1))
        return cls(body["sha256"], body["name"], MediaKind(body["kind"]), pages, tuple(body["notes"]))


def content_address(sha256: str) -> str:
    """Return the name under which everything made from a file is kept."""
    return f"{sha256}-v{PARSER_VERSION}"


def made_from(sha256: str) -> tuple[str, ...]:
    """Return what the keys of everything made from a file begin with, whatever version made it."""
    return tuple(f"{folder}{sha256}" for folder in MADE_FOLDERS)


def document_key(address: str) -> str:
    """Return where a parsed document is kept."""
    return f"documents/{address}.json.gz"
