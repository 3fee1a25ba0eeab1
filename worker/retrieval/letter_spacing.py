"""Words of pages whose every letter stands alone, as some converted pages have them: `1 0 , 8 4 3` is one figure."""

from collections.abc import Sequence
from functools import partial
from statistics import median

from worker.retrieval.words import Line, Word

_FEWEST_WORDS = 60
_SINGLE_LETTERS_SHARE = 0.5
# Letters of a word stand closer than this share of their height; words stand apart by more.
_LETTER_GAP_HEIGHTS = 0.25
_MIN_HEIGHT_POINTS = 4.0
# Signs smaller than this share of a letter stand below or above the line that they belong to.
_SIGN_HEIGHTS = 0.5
_HANG_HEIGHTS = 0.35


def is_letter_spaced(lines: Sequence[Line]) -> bool:
    """Return whether most of a page's words are single letters or digits."""
    words = [word for line in lines for word in line]
    singles = sum(len(word.text) == 1 for word in words)
    return len(words) >= _FEWEST_WORDS and singles > _SINGLE_LETTERS_SHARE * len(words)


def rejoined(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with their letters joined to words, commas and points back between the digits they belong to."""
    letters = [word for line in lines for word in line]
    usual = median(word.top - word.bottom for word in letters)
    found: list[Line] = []
    for letter in sorted(letters, key=lambda word: (word.top - word.bottom < _SIGN_HEIGHTS * usual, -word.bottom)):
        lines_there = [line for line in found if _is_on(line[0], letter, usual)]
        if lines_there:
            min(lines_there, key=partial(_distance, letter)).append(letter)
        else:
            found.append([letter])
    found.sort(key=lambda line: -line[0].bottom)
    return [_words(sorted(line, key=lambda word: word.left)) for line in found]


def _distance(letter: Word, line: Line) -> float:
    return abs(line[0].bottom - letter.bottom)


def _is_on(first: Word, letter: Word, usual_height: float) -> bool:
    """Return whether a letter, or a sign such as a comma that hangs below it, stands on the line of another letter."""
    middle = (letter.top + letter.bottom) / 2
    is_sign = letter.top - letter.bottom < _SIGN_HEIGHTS * usual_height
    hang = _HANG_HEIGHTS * usual_height if is_sign else 0.0
    return first.bottom - hang <= middle <= first.bottom + usual_height


def _words(letters: Sequence[Word]) -> Line:
    words: Line = []
    for letter in letters:
        before = words[-1] if words else None
        height = max(letter.top - letter.bottom, _MIN_HEIGHT_POINTS)
        if before is not None and letter.left - before.right <= _LETTER_GAP_HEIGHTS * height:
            words[-1] = Word(
                before.text + letter.text,
                before.left,
                max(before.right, letter.right),
                min(before.bottom, letter.bottom),
                max(before.top, letter.top),
            )
        else:
            words.append(letter)
    return words
