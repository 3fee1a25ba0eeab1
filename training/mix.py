"""Which rows of which source go into the training mix, and which pages must stay out of it."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from common.errors import ConfigurationError
from common.evidence import BALANCED, Document, is_kept_whole
from training import sources
from training.splits import table_marks
from training.tasks.analyst import AnalystTask
from training.tasks.base import Example
from training.tasks.cell_questions import questions_over_any
from training.tasks.convfinqa import ConvFinqaTask
from training.tasks.explanations import ExplanationTask
from training.tasks.finqa import FinqaTask, is_reported
from training.tasks.page_views import views_of
from training.tasks.refusals import RefusalTask
from training.tasks.sentiment import SentimentTask, is_held_out
from training.tasks.statements import StatementsTask
from training.tasks.tatqa import LICENCE as TATQA_LICENCE
from training.tasks.tatqa import TatqaTask
from training.tasks.tatqa_extra import TatqaExtraTask, is_misread
from training.tasks.tatqa_split import listed_questions
from training.tasks.tweet_split import apart_from, listed_tweets
from training.tasks.written import FURTHER, NOTES, written_headlines, written_pages, written_questions

XBRL_QUESTIONS_PER_TABLE = 6
PAGE_QUESTIONS_PER_TABLE = 3
FINQA_ROWS = 440
REFUSALS = 260
EXPLANATIONS = 60
VIEW_QUESTIONS_PER_TABLE = 2
MADE_PAGES = 32
QUESTIONS_PER_MADE_PAGE = 9
LATER = "tatqa_split"
LATER_REFUSALS = 400
# Another for each pass, so that it sees other figures than the pass before.
ROUND = 2


def _tatqa(data_dir: Path, seed: int) -> Iterator[Example]:
    yield from TatqaTask().examples(sources.TATQA_TRAIN.locate(data_dir))
    yield from TatqaExtraTask().examples(sources.TATQA_EXTRA.locate(data_dir))


def _statements(data_dir: Path, seed: int) -> Iterator[Example]:
    """Yield questions over XBRL tables, and more over the tables of those TAT-QA pages that prompts hold whole."""
    sources.XBRL_LABELS.locate(data_dir)
    task = StatementsTask(XBRL_QUESTIONS_PER_TABLE, seed)
    for source in sources.XBRL:
        yield from task.examples(source.locate(data_dir))
    pages = StatementsTask(PAGE_QUESTIONS_PER_TABLE, seed, BALANCED)
    seen: set[str] = set()
    for example in _tatqa(data_dir, seed):
        if example.document is None or example.group in seen or not is_kept_whole(example.document):
            continue
        seen.add(example.group)
        yield from pages.over(example.document, f"tatqa-{example.group}", TATQA_LICENCE, "tatqa_tables")


def _finqa(data_dir: Path, seed: int) -> Iterator[Example]:
    rows = list(FinqaTask().examples(sources.FINQA_TRAIN.locate(data_dir)))
    rng = random.Random(seed)
    yield from rng.sample(rows, min(FINQA_ROWS, len(rows)))


def _finqa_dev(data_dir: Path, _seed: int) -> Iterator[Example]:
    """Yield the questions and conversations over those pages of FinQA dev that no result is reported on."""
    rows = FinqaTask().examples(sources.FINQA_DEV.locate(data_dir))
    yield from (replace(row, source="finqa_dev") for row in rows if not is_reported(row))
    turns = ConvFinqaTask(last_turns=None).examples(sources.CONVFINQA.locate(data_dir))
    yield from (turn for turn in turns if not is_reported(turn))


def _sentiment(data_dir: Path, seed: int) -> Iterator[Example]:
    rows = SentimentTask().examples(sources.TFNS.locate(data_dir))
    yield from (row for row in rows if not is_held_out(row))


def _tweets(data_dir: Path, _seed: int) -> Iterator[Example]:
    """Yield rows of the data set's train split, which is no part of the data folder's core: none where it is absent."""
    path = data_dir / sources.TFNS_TRAIN_SPLIT
    if path.is_file():
        reported = filter(is_held_out, SentimentTask().examples(sources.TFNS.locate(data_dir)))
        yield from apart_from(listed_tweets(path), list(reported))


def _refusals(data_dir: Path, seed: int) -> Iterator[Example]:
    yield from RefusalTask().over(list(_tatqa(data_dir, seed)), REFUSALS, seed)


def _explanations(data_dir: Path, seed: int) -> Iterator[Example]:
    yield from ExplanationTask().over(list(_tatqa(data_dir, seed)), EXPLANATIONS, seed)


def _analyst(_data_dir: Path, seed: int) -> Iterator[Example]:
    yield from AnalystTask().pages(MADE_PAGES, QUESTIONS_PER_MADE_PAGE, seed + ROUND)


def _headlines(_data_dir: Path, _seed: int) -> Iterator[Example]:
    return written_headlines()


def _written_pages(_data_dir: Path, _seed: int) -> Iterator[Example]:
    return chain(written_pages(), written_pages(NOTES, "written_notes"))


MIX: dict[str, Callable[[Path, int], Iterator[Example]]] = {
    "tatqa": _tatqa,
    "statements": _statements,
    "finqa": _finqa,
    "finqa_dev": _finqa_dev,
    "sentiment": _sentiment,
    "tweets": _tweets,
    "refusal": _refusals,
    "explanation": _explanations,
    "analyst": _analyst,
    "headlines": _headlines,
    "written_pages": _written_pages,
}


def _views(train: Sequence[Example], seed: int) -> Iterator[Example]:
    """Yield the training questions about TAT-QA's pages over another view of each page, and further questions on it."""
    rows = (row for row in train if row.task in ("tatqa", "refusal") and row.licence == TATQA_LICENCE)
    views = list(views_of((row for row in rows if not is_misread(row)), seed + ROUND))
    yield from views
    pages = StatementsTask(VIEW_QUESTIONS_PER_TABLE, seed + ROUND, BALANCED, questions_over_any)
    seen: set[Document] = set()
    for row in views:
        if row.document is None or row.document in seen or not is_kept_whole(row.document):
            continue
        seen.add(row.document)
        yield from pages.over(row.document, f"view-{row.group}", TATQA_LICENCE, "tatqa_tables_views")


def _written(train: Sequence[Example], _seed: int) -> Iterator[Example]:
    pages = [row for row in train if row.task in ("tatqa", "finqa")]
    yield from written_questions(pages)
    yield from written_questions(pages, FURTHER, "further")


# Made from rows that are in the training split already, so that they can neither leak nor move a row between splits.
DERIVED: dict[str, Callable[[Sequence[Example], int], Iterator[Example]]] = {"views": _views, "written": _written}


def collect(data_dir: Path, tasks: frozenset[str], seed: int) -> Iterator[Example]:
    """Return the rows of the named tasks, or of all; raises ConfigurationError for an unknown one."""
    known = {*MIX, *DERIVED, LATER}
    if unknown := tasks - known:
        raise ConfigurationError(
            f"There is no task {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}."
        )
    chosen = [rows for name, rows in MIX.items() if not tasks or name in tasks]
    return chain.from_iterable(rows(data_dir, seed) for rows in chosen)


def derived(train: Sequence[Example], tasks: frozenset[str], seed: int) -> Iterator[Example]:
    """Return the rows that the named tasks, or all, make from the training split."""
    return chain.from_iterable(rows(train, seed) for name, rows in DERIVED.items() if not tasks or name in tasks)


def later(data_dir: Path, tasks: frozenset[str]) -> Iterator[Example]:
    """Return the questions of TAT-QA's own train split, which join a split that is drawn: none where it is absent.

    The split must stay what it was for the adapters that were chosen by it.
    """
    path = data_dir / sources.TATQA_TRAIN_SPLIT
    asked_for = not tasks or LATER in tasks
    return listed_questions(path) if asked_for and path.is_file() else iter(())


def later_refusals(train: Sequence[Example], seed: int) -> Iterator[Example]:
    """Return refusals made from those of the later rows that are trained on."""
    return RefusalTask().over(train, LATER_REFUSALS, seed)


def held_out(data_dir: Path) -> Iterator[Example]:
    """Yield every row of the sets that results are reported on."""
    yield from TatqaTask().examples(sources.TATQA_DEV.locate(data_dir))
    yield from _reported_finqa(data_dir)
    yield from (row for row in SentimentTask().examples(sources.TFNS.locate(data_dir)) if is_held_out(row))


def _reported_finqa(data_dir: Path) -> Iterator[Example]:
    """Yield the reported rows of FinQA dev, and all rows over the tables of those that lost their page's name."""
    retrieved = [row for row in FinqaTask().examples(sources.FINQA_DEV_RETRIEVED.locate(data_dir)) if is_reported(row)]
    tables = frozenset[str]().union(*(table_marks(row.document) for row in retrieved if row.document))
    yield from retrieved
    for row in FinqaTask().examples(sources.FINQA_DEV.locate(data_dir)):
        if is_reported(row) or (row.document and tables & table_marks(row.document)):
            yield row
