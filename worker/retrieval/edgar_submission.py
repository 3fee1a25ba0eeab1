"""EDGAR's complete submission files: every document of a filing in one file, between SGML tags.

Source: EDGAR Public Dissemination Service (PDS) technical specification.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENING = b"<DOCUMENT>"
_SUBMISSION = re.compile(rb"<DOCUMENT>\s*<TYPE>")
# A submission's header is shorter.
_HEAD_BYTES = 20_000
_TYPE = re.compile(rb"\s*<TYPE>([^\r\n<]*)")
# Pictures, tables and archives, and the facts and renderings that XBRL adds to what the report itself says.
_WITHOUT_TEXT = re.compile(r"GRAPHIC|ZIP|EXCEL|PDF|XML|JSON|EX-10[01]\b.*", re.I)
_ENCODED = re.compile(rb"\s*(?:<PDF>\s*)?begin \d{3} ")


@dataclass(frozen=True, slots=True)
class SubmittedDocument:
    """One document of a filing: its type as EDGAR has it (`10-K`, `EX-99.1`) and its bytes."""

    type: str
    data: bytes

    @property
    def has_text(self) -> bool:
        """Tell whether people could read it as it is."""
        return not _WITHOUT_TEXT.fullmatch(self.type) and not _ENCODED.match(self.data)


def is_submission(data: bytes) -> bool:
    """Return whether a file holds documents between EDGAR's tags."""
    return _SUBMISSION.search(data[:_HEAD_BYTES]) is not None


def submitted_documents(data: bytes) -> Iterator[SubmittedDocument]:
    """Yield a submission's documents in their order, those without text too."""
    for part in data.split(_OPENING)[1:]:
        head, _, body = part.partition(b"<TEXT>")
        text, closing, _ = body.rpartition(b"</TEXT>")
        found = _TYPE.match(head)
        kind = found[1].decode("utf-8", "replace").strip() if found else ""
        yield SubmittedDocument(kind, text if closing else body)
