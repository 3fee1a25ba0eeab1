"""Made statements add up, and what analysts ask of them has an answer that the page bears out."""

import random
import re

import pytest

from common.answers import NOT_FOUND_LINE, AnswerKind, parse_line, read_answer
from common.calculator import calculate
from common.numbers import Scale
from tests.support.script_outputs import script_outputs
from training.tasks import made_statements
from training.tasks.analyst import KINDS, AnalystTask, is_answerable
from training.tasks.analyst_questions import ALIASES, Wording, absent, largest_flow, lookup
from training.tasks.base import Outcome
from training.tasks.made_statements import MadePage, make_page
from training.tasks.ratio_questions import AMOUNTS, RATIOS, ratio

SUMS = {
    "gross_profit": ("revenue", "-cogs"),
    "current_assets": ("cash", "receivables", "inventories", "other_current_assets"),
    "total_assets": ("total_liabilities", "equity"),
    "net_income": ("pretax", "-tax"),
    "financing_cash": ("dividends", "buybacks"),
}


def pages(count: int = 40) -> list[MadePage]:
    return [make_page(random.Random(seed)) for seed in range(count)]


@pytest.mark.parametrize(("total", "parts"), SUMS.items())
def test_statements_add_up(total: str, parts: tuple[str, ...]) -> None:
    """Given made pages with a total and its lines, then the total is their sum in every year."""
    names = [part.lstrip("-") for part in parts]
    fitting = [page for page in pages() if page.has(total, *names)]
    assert fitting
    for page in fitting:
        for year in page.years:
            signed = zip(parts, (int(page.figures[name][year]) for name in names), strict=True)
            assert int(page.figures[total][year]) == sum(-value if part[0] == "-" else value for part, value in signed)


def test_every_answer_is_borne_out_by_the_prompt() -> None:
    """Given made questions, then each line resolves and each of its figures stands in the prompt."""
    rows = list(AnalystTask().pages(30, 6, seed=4))
    kinds = set()
    for row in rows:
        answer = read_answer(row.answer or "", row.document, row.gold["question"])
        kinds.add(answer.kind)
        prompt = row.messages[-1].content
        figures = {operand.text for operand in answer.operands} - {"100", "365", "1000"}
        assert all(figure in prompt for figure in (*figures, *parse_line(row.answer or "").items)), (
            row.gold["question"],
            row.answer,
        )
        assert AnalystTask().score(row, row.answer or "").outcome is Outcome.CORRECT
    assert kinds == {AnswerKind.NUMBER, AnswerKind.SPANS, AnswerKind.TRUTH, AnswerKind.NOT_FOUND}
    assert len({row.uid for row in rows}) == len(rows) > 150


def test_the_same_seed_gives_the_same_rows() -> None:
    assert list(AnalystTask().pages(3, 4, seed=1)) == list(AnalystTask().pages(3, 4, seed=1))
    assert list(AnalystTask().pages(3, 4, seed=1)) != list(AnalystTask().pages(3, 4, seed=2))


def test_a_figure_asked_for_in_another_unit_is_converted_by_its_program() -> None:
    """Given a page in thousands, when asked in millions, then the program divides by 1000 and the scale is million."""
    page = next(page for page in pages() if page.scale is Scale.THOUSAND)
    asked = [lookup(Wording(page, random.Random(seed))) for seed in range(60)]
    converted = [one for one in asked if one.line.scale is Scale.MILLION]
    assert converted
    assert all("in USD millions" in one.question and "/1000" in str(one.line) for one in converted)


def test_outflows_are_answered_as_analysts_speak_of_them() -> None:
    """Given bracketed outflows, when asked for, then the answer is positive and its operand the figure as printed."""
    page = next(page for page in pages() if page.has("dividends"))
    lines = [str(lookup(Wording(page, random.Random(seed))).line) for seed in range(300)]
    outflows = [line for line in lines if "abs(" in line]
    assert outflows
    for line in outflows:
        value = read_answer(line, None).value
        assert value is not None
        assert value > 0


def test_what_the_page_lacks_is_refused() -> None:
    """Given what is asked for as absent, then the page has not its year, or has no line of that name."""
    page = pages()[0]
    missing = [name for concept, names in ALIASES.items() if not page.has(concept) for name in names]
    for seed in range(60):
        asked = absent(Wording(page, random.Random(seed)))
        years = {int(year) % 100 for year in re.findall(r"(?:19|20)?(\d\d)\b", asked.question)}
        assert str(asked.line) == NOT_FOUND_LINE
        assert not years & {year % 100 for year in page.years} or any(name in asked.question for name in missing)


def test_three_long_statements_leave_nearly_every_question_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given pages too long for a prompt, then nine of ten questions find all their figures among the lines kept."""
    monkeypatch.setattr(made_statements, "_PAIRS", (("income", "balance", "cash_flow"),))
    held: list[bool] = []
    for seed in range(40):
        rng = random.Random(seed)
        page = make_page(rng)
        drawn = (rng.choice(KINDS)(Wording(page, rng)) for _ in range(12))
        held += [is_answerable(asked, page.document) for asked in drawn if asked is not None]
    assert len(held) > 300
    assert sum(held) / len(held) > 0.9


def test_the_largest_flow_is_named_by_its_caption() -> None:
    page = next(page for page in pages() if page.has("operating_cash"))
    asked = largest_flow(Wording(page, random.Random(1)))
    assert asked is not None
    assert asked.line.items[0] in page.captions.values()
    assert largest_flow(Wording(next(one for one in pages() if not one.has("capex")), random.Random(1))) is None


@pytest.mark.parametrize("one", [*RATIOS, *AMOUNTS], ids=lambda one: one.program)
def test_ratios_are_programs_over_known_lines(one: object) -> None:
    """Given a ratio, when its places are filled with figures, then the calculator runs it."""
    program = re.sub(r"[a-z_]+@\d", "7", getattr(one, "program", ""))
    assert "@" not in program
    assert calculate(program).value is not None


def test_a_ratio_needs_its_lines() -> None:
    """Given a page without any ratio's lines, when a ratio is asked for, then there is no question."""
    page = pages()[0]
    bare = MadePage(page.document, page.scale, page.years, page.captions, {})
    assert ratio(Wording(bare, random.Random(0))) is None


def test_made_pages_are_the_same_in_every_process() -> None:
    """Given two processes that hash words differently, when pages are made from one seed, then they are equal."""
    code = "from training.tasks.analyst import AnalystTask; print(list(AnalystTask().pages(6, 3, 7)))"
    (printed,) = script_outputs(code, [], "PYTHONHASHSEED", ("1", "2"))
    assert b"made-0" in printed
