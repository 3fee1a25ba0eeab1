"""Lines and table rows from the positions of a PDF page's words."""

from collections.abc import Sequence

from common.numbers import parse_figure
from common.tables import CELL_SEPARATOR
from worker.retrieval.columns import Cell, Columns, is_sign, join_signs
from worker.retrieval.letter_spacing import is_letter_spaced, rejoined
from worker.retrieval.words import Line, Word

# A gap this many times the height of the line's words is wider than any space between words.
_CELL_GAP_HEIGHTS = 1.15
_MIN_HEIGHT_POINTS = 4.0
_LINES_LOOKED_BACK = 5
_MAX_LINES_WITHOUT_CELLS = 3


def page_text(lines: Sequence[Line]) -> str:
    """Return the page's text from its lines in reading order, table rows as `label | cell | cell`, empty cells kept."""
    return "\n".join(rows_of(rejoined(lines) if is_letter_spaced(lines) else _restored(lines)))


def rows_of(lines: Sequence[Line]) -> list[str]:
    """Return each line's text, those of tables as `label | cell | cell`; no line may be empty."""
    rows = [_cells(line) for line in lines]
    return _texts([row for row in rows if row])


def _restored(lines: Sequence[Line]) -> list[Line]:
    """Put together what the reader tore apart: rows broken at wide gaps, headers read column by column."""
    restored: list[Line] = []
    for line in lines:
        if not line:
            continue
        home = next(
            (other for other in reversed(restored[-_LINES_LOOKED_BACK:]) if _continues(other[-1], line[0])), None
        )
        if home is None:
            restored.insert(_height_order(restored, line[0]), list(line))
        else:
            home.extend(line)
    return restored


def _height_order(lines: Sequence[Line], first: Word) -> int:
    """Return where a line belongs: before the lines just read that stand lower and to the left of it."""
    at = len(lines)
    while at > max(0, len(lines) - _LINES_LOOKED_BACK):
        above = lines[at - 1][0]
        if above.top > first.bottom or above.right > first.left:
            break
        at -= 1
    return at


def _continues(last: Word, first: Word) -> bool:
    """Return whether a line goes on to the right at the same height."""
    if first.left < last.right:
        return False
    overlap = min(last.top, first.top) - max(last.bottom, first.bottom)
    return overlap > 0.6 * min(last.top - last.bottom, first.top - first.bottom)


def _cells(line: Line) -> list[Cell]:
    heights = sorted(word.top - word.bottom for word in line)
    wide = _CELL_GAP_HEIGHTS * max(heights[len(heights) * 4 // 5], _MIN_HEIGHT_POINTS)
    stretches: list[list[Word]] = []
    for word in line:
        if stretches and word.left - max(before.right for before in stretches[-1]) <= wide:
            stretches[-1].append(word)
        else:
            stretches.append([word])
    return join_signs([cell for words in stretches for cell in _parted(words)])


def _parted(words: Sequence[Word]) -> list[Cell]:
    """Part figures of narrow columns that stand closer than words do: `33.9 % $ 1,199` is two cells."""
    figures = [word for word in words if _is_figure(word.text)]
    if len(figures) > 1 and all(word in figures or is_sign(word.text) for word in words):
        return [Cell(word.text, word.left, word.right) for word in words]
    right = max(word.right for word in words)
    return [Cell(" ".join(word.text for word in words), words[0].left, right)]


def _is_figure(text: str) -> bool:
    return parse_figure(text) is not None and (len(text) > 2 or not text.isdigit())


def _texts(rows: Sequence[list[Cell]]) -> list[str]:
    texts: list[str] = []
    block: list[list[Cell]] = []
    for row in rows:
        if len(row) > 1 or (block and _stays(block, row[0])):
            block.append(row)
            continue
        texts.extend(_block_texts(block))
        block = []
        texts.append(row[0].text)
    return [*texts, *_block_texts(block)]


def _stays(block: Sequence[list[Cell]], cell: Cell) -> bool:
    """Return whether a line of one piece belongs to the table: a heading or a torn label, not prose after it."""
    recent = block[-_MAX_LINES_WITHOUT_CELLS:]
    if len(recent) == _MAX_LINES_WITHOUT_CELLS and all(len(row) == 1 for row in recent):
        return False
    return cell.right < max(row[-1].right for row in block) - 4.0 or cell.is_value


def _block_texts(block: Sequence[list[Cell]]) -> list[str]:
    columns = Columns.of(block)
    texts: list[str] = []
    for row in block:
        text = columns.row_text(row)
        if texts and text[:1].islower() and CELL_SEPARATOR in text and CELL_SEPARATOR not in texts[-1]:
            texts[-1] = f"{texts[-1]} {text}"
        else:
            texts.append(text)
    return texts
