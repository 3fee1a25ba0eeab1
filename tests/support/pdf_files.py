"""Small PDF files written by hand (ISO 32000-1): text at positions, no text, a password."""

from collections.abc import Sequence

Text = tuple[float, float, str]


def pdf(pages: Sequence[Sequence[Text]], *, encrypt: bool = False) -> bytes:
    """Return a PDF whose pages hold each text at (x, y) points, Helvetica 10.

    `encrypt` adds an encryption dictionary that no empty password opens.
    """
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, texts in enumerate(pages):
        stream = "\n".join(f"BT /F1 10 Tf {x} {y} Td ({_escaped(text)}) Tj ET" for x, y, text in texts)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    trailer = f"/Size {len(objects) + 1} /Root 1 0 R"
    if encrypt:
        secret, name = "41" * 32, "42" * 16
        keys = f"/Filter /Standard /V 1 /R 2 /P -4 /O <{secret}> /U <{secret}>"
        trailer += f" /Encrypt << {keys} >> /ID [<{name}> <{name}>]"
    body = b"%PDF-1.4\n"
    offsets: list[int] = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< {trailer} >>\n".encode("latin-1")
    return body + f"startxref\n{start}\n%%EOF\n".encode()


def statement_page() -> list[Text]:
    """Return the texts of a small balance sheet page, figures right-aligned and signs in columns of their own."""
    rows = (
        (700.0, "Cash and cash equivalents", "$", "3,655", "$", "4,564"),
        (686.0, "Inventories", "", "5,372", "", ""),
        (672.0, "Accumulated depreciation", "", "(16,820)", "", "(17,784)"),
        (658.0, "Total assets", "$", "46,455", "$", "47,072"),
    )
    texts: list[Text] = [
        (230.0, 760.0, "Consolidated Balance Sheet"),
        (50.0, 730.0, "(Dollars in millions)"),
        (372.0, 730.0, "2022"),
        (472.0, 730.0, "2021"),
    ]
    for y, label, first_sign, first, second_sign, second in rows:
        texts.append((50.0, y, label))
        for sign, left, figure, right in ((first_sign, 340.0, first, 400.0), (second_sign, 440.0, second, 500.0)):
            if sign:
                texts.append((left, y, sign))
            if figure:
                texts.append((right - 5.0 * len(figure), y, figure))
    return texts


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
