"""Pages whose every letter stands alone."""

from worker.retrieval.letter_spacing import is_letter_spaced, rejoined
from worker.retrieval.words import Line, Word

WIDTH, GAP = 3.6, 0.5
ROWS = (("Worldwide", "10,843", "—"), ("Oncology", "9,517", "(1.3)"))


def letters(text: str, left: float, bottom: float) -> Line:
    """Return a text's letters one by one, commas below the line and dashes above it, as converters place them."""
    line: Line = []
    for letter in text:
        low, high, wide = {",": (-1.3, 1.0, 1.3), "—": (2.0, 2.8, 5.0), ".": (0.0, 0.9, 1.0)}.get(
            letter, (0.0, 6.0, WIDTH)
        )
        line.append(Word(letter, left, left + wide, bottom + low, bottom + high))
        left += wide + GAP
    return line


def page() -> list[Line]:
    """Return a table whose commas the reader found on lines of their own."""
    lines: list[Line] = []
    for number in range(8):
        row = [
            word
            for left, text in zip((30.0, 250.0, 320.0), ROWS[number % 2], strict=True)
            for word in letters(text, left, 700.0 - 11 * number)
        ]
        lines += [[word for word in row if word.text != ","], [word for word in row if word.text == ","]]
    return lines


def test_letters_become_words_and_commas_go_home() -> None:
    """Given letters that stand alone, when they are joined, then each row has its words, from top to bottom."""
    assert is_letter_spaced(page())
    found = [[word.text for word in line] for line in rejoined(page())]
    assert found == [list(ROWS[number % 2]) for number in range(8)]


def test_a_page_of_words_is_left_alone() -> None:
    words = [[Word(text, 0, 10, 0, 6) for text in ("Net", "sales", "5", "4")] for _ in range(40)]
    assert not is_letter_spaced(words)
    assert not is_letter_spaced([letters("12", 0, 0)])
