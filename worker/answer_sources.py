"""The sources of one answer: what of them stands behind its numbers, operands and copied words, as quotes."""

from collections.abc import Sequence

from common.finance_answers import Citation, Source
from worker.operands import Passage, Place
from worker.retrieval.citations import find_words, passage_around


class AnswerSources:
    """Finds and cites; every quote stands exactly so in the source it names."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self.passages = tuple(Passage(source.document, source.text) for source in sources)

    def cite(self, place: Place | None) -> Citation | None:
        """Return the line or sentence that holds a place; None for a place in the question."""
        if place is None or place.passage < 0:
            return None
        source = self._sources[place.passage]
        start, end = passage_around(source.text, place.start, place.end)
        return _citation(source, start, end)

    def quote(self, words: str) -> Citation | None:
        """Return the first source that holds the words, None where none does; white space and forms of signs aside."""
        for source in self._sources:
            span = find_words(source.text, words)
            if span is not None:
                return _citation(source, *span)
        return None


def _citation(source: Source, start: int, end: int) -> Citation:
    return Citation(document=source.document, page=source.page, quote=source.text[start:end])
