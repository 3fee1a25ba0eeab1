"""Seeds of files and the ways in which they are damaged, the same for the same random numbers."""

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Sequence

from tests.support.pdf_files import pdf, statement_page

MOST_BYTES = 200_000
_WORDS = {
    "pdf": (
        b"endobj", b"stream\n", b"endstream", b"xref", b"trailer", b"<<", b">>", b"[", b"]", b"/Kids [2 0 R]",
        b"/Parent 2 0 R", b"/Count 2147483647", b"/Length 99999999", b"/Filter /FlateDecode",
        b"/Filter /ASCIIHexDecode", b"/MediaBox [0 0 1e38 -1e38]", b"99999 0 R", b"/Encrypt 1 0 R", b"/ObjStm",
        b"(\\377\\000)", b"BT ET",
        b"q " * 50,
    ),
    "html": (
        b"<table>", b"</table>", b"<tr>", b"<td colspan=\"99999999999\">", b"<td rowspan=\"\xc2\xb2\">",
        b"<div>", b"</div>", b"<ix:header>", b"<!--", b"-->", b"<script>", b"<svg>", b"<template>", b"&#x0;",
        b"&#1114112;", b"<p style=\"", b"page-break-after:always",
        b"charset=utf-16", b"charset=undefined", b"<hr>", b"<br>", b"\xff\xfe", b"\x00", b"]]>",
    ),
    "zip": (
        b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"\xff\xff\xff\xff", b"../", b"/etc/passwd",
        b"\x00", b"\x0c\x00", b"\x0e\x00",
    ),
}  # fmt: skip
_NUMBERS = (b"0", b"-1", b"1", b"255", b"65536", b"2147483648", b"-2147483649", b"99999999999999999999", b"1e400")


def seeds(kind: str) -> list[bytes]:
    """Return sound files of a kind, and some that are odd."""
    return {"pdf": _pdf_seeds, "html": _html_seeds, "zip": _zip_seeds}[kind]()


def bombs(kind: str) -> list[bytes]:
    """Return files that are made to hurt; they are put as they are, as each takes much time."""
    return [_flate_bomb()] if kind == "pdf" else []


def mutated(kind: str, originals: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the files with one to eight changes."""
    data = bytearray(rng.choice(originals))
    for _ in range(rng.randint(1, 8)):
        rng.choice(_CHANGES)(data, kind, originals, rng)
    return bytes(data[:MOST_BYTES])


def _flip(data: bytearray, _kind: str, _originals: Sequence[bytes], rng: random.Random) -> None:
    for _ in range(rng.randint(1, 16)):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, _kind: str, _originals: Sequence[bytes], rng: random.Random) -> None:
    start, end = _span(data, rng)
    del data[start:end]


def _end_early(data: bytearray, _kind: str, _originals: Sequence[bytes], rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _repeat(data: bytearray, _kind: str, _originals: Sequence[bytes], rng: random.Random) -> None:
    start, end = _span(data, rng)
    data[end:end] = data[start:end][:2_000] * rng.randint(1, 20)


def _insert_word(data: bytearray, kind: str, _originals: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(_WORDS[kind])


def _change_number(data: bytearray, _kind: str, _originals: Sequence[bytes], rng: random.Random) -> None:
    places = [at for at, byte in enumerate(data) if 48 <= byte < 58]
    if places:
        at = rng.choice(places)
        data[at : at + 1] = rng.choice(_NUMBERS)


def _splice(data: bytearray, _kind: str, originals: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(originals)
    start, end = _span(other, rng)
    at = rng.randrange(len(data) + 1)
    data[at:at] = other[start:end]


_CHANGES: tuple[Callable[[bytearray, str, Sequence[bytes], random.Random], None], ...] = (
    _flip,
    _cut,
    _end_early,
    _repeat,
    _insert_word,
    _change_number,
    _splice,
)


def _span(data: bytes | bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.randint(1, 400))


def _pdf_seeds() -> list[bytes]:
    prose = [(50.0, 760.0, "Revenue was $5 million in 2022 and net income was $1 million, as the table shows.")]
    return [pdf([prose]), pdf([statement_page()]), pdf([prose, statement_page(), []]), pdf([prose], encrypt=True)]


def _flate_bomb() -> bytes:
    """Return a page whose content unpacks to 8 MiB of graphics states, a thousand times its size."""
    packed = zlib.compress(b"q " * (4 << 20), 9)
    head = pdf([[(50.0, 760.0, "bomb")]])
    start, end = head.index(b"<< /Length"), head.index(b"endobj", head.index(b"<< /Length"))
    body = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream\n" % (len(packed), packed)
    return head[:start] + body + head[end:]


def _html_seeds() -> list[bytes]:
    table = (
        '<table><tr><td></td><td colspan="2">2022</td><td colspan="2">2021</td></tr>'
        "<tr><td>Net sales</td><td>$</td><td>1,234</td><td>$</td><td>1,111</td></tr></table>"
    )
    prose = "<p>Revenue was $5 million in 2022 and net income was $1 million.</p>"
    xbrl = "<p>Income <ix:nonFraction name='us-gaap:NetIncomeLoss' scale='6'>93,736</ix:nonFraction> million.</p>"
    pages = '<p>One page.</p><hr style="page-break-after:always"/><p>Another page.</p>'
    bodies = [prose + table, xbrl + pages, prose * 50, "<div>" * 5_000 + prose, "<table><tr><td>" * 300 + prose]
    return [f"<html><head><meta charset=utf-8></head><body>{body}</body></html>".encode() for body in bodies]


def _zip_seeds() -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("2022/a.txt", b"Revenue 5 " * 50)
            archive.writestr("b.html", b"<p>Costs</p>")
            archive.writestr("zeros.txt", bytes(100_000))
        found.append(file.getvalue())
    return found
