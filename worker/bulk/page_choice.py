"""Which pages of the reports a question is put to."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.evidence import estimated_tokens
from worker.retrieval.library import Entry, Library
from worker.retrieval.search import Hit, SearchOptions

_LOOKED_AT = 5


@dataclass(frozen=True, slots=True)
class PageBudget:
    """How much of the reports goes into one prompt.

    The model was trained on prompts of up to about 1,000 tokens, so pages are added while they fit whole into
    `page_tokens` (estimated); where the best page alone does not fit, `selected_pages` give the rows and sentences that
    are selected from. At most `more_pages` are asked alone afterwards, where there is no verified answer.
    """

    page_tokens: int
    selected_pages: int
    more_pages: int = 0


@dataclass(frozen=True, slots=True)
class ChosenPages:
    """Pages to ask, in reading order; `dropped` were found as well and left out of the first prompt.

    `more` are to be asked alone, best first, where that prompt gives no verified answer.
    """

    hits: tuple[Hit, ...]
    dropped: int
    more: tuple[Hit, ...] = ()


def choose_pages(library: Library, question: str, entries: Sequence[Entry], budget: PageBudget) -> ChosenPages:
    """Return the best pages for a question within the budget; deterministic."""
    hits = library.search(question, entries, SearchOptions(limit=_LOOKED_AT))
    if not hits:
        return ChosenPages((), 0)
    kept: list[Hit] = []
    used = 0.0
    for hit in hits:
        text = library.document(Entry(hit.address, hit.document)).page(hit.page).text
        used += estimated_tokens(text)
        if used > budget.page_tokens:
            break
        kept.append(hit)
    chosen = kept or hits[: budget.selected_pages]
    rest = [hit for hit in hits if hit not in chosen]
    # Rows selected from two pages are fewer of each: alone, the best page keeps up to twice as many.
    more = [hits[0], *rest] if not kept and len(chosen) > 1 else rest
    order = {entry.address: number for number, entry in enumerate(entries)}
    chosen = sorted(chosen, key=lambda hit: (order[hit.address], hit.page))
    return ChosenPages(tuple(chosen), len(rest), tuple(more[: budget.more_pages]))
