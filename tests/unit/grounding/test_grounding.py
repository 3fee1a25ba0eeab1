"""Numbers of answers against passages and programs."""

import pytest

from common.calculator import calculate
from common.numbers import Scale
from worker.grounding import GroundingStatus, check_numbers
from worker.operands import Computation, Passage
from worker.retrieval.number_match import Finding

_PAGE = """Consolidated Statements of Income
(Dollars in millions, except per share amounts) | 2022 | 2021
Net sales | $34,229 | $35,355
Cost of sales | 19,232 | 18,795
Net cash provided by (used in) financing activities | (3,350) | (6,145)
Purchases of property, plant and equipment | (1,749) | (1,603)
Earnings per share, diluted | $10.18 | $10.12
Operating margin | 19.1% | 20.8%
The effective tax rate was 9.6 percent. Dividends of $3.4 billion were paid."""


def _finding(answer: str, *computations: Computation, question: str = "") -> Finding:
    grounding = check_numbers(answer, [Passage("p", _PAGE)], computations=computations, question=question)
    assert len(grounding.numbers) == 1, grounding.numbers
    return grounding.numbers[0].finding


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        ("Net sales were $34,229 million.", Finding.EXACT),
        ("Net sales were $34.229 billion.", Finding.RESCALED),
        ("Net sales were $34,229,000,000.", Finding.RESCALED),
        ("Net sales were $34.2 billion.", Finding.ROUNDED),
        ("Net sales were about $34,000 million.", Finding.ROUNDED),
        ("Net sales were $34,229.", Finding.SCALE_NOT_STATED),
        ("Capital expenditure was $1,749 million.", Finding.EXACT),
        ("Cash used in financing was a decrease of $3,350 million.", Finding.EXACT),
        ("Cash from financing was -$3,350 million.", Finding.EXACT),
        ("EPS was $10.18.", Finding.EXACT),
        ("The margin was 19.1%.", Finding.EXACT),
        ("The margin was 0.191.", Finding.RESCALED),
        ("The margin was 19%.", Finding.ROUNDED),
        ("The tax rate was 9.6%.", Finding.EXACT),
        ("That is 960 basis points.", Finding.RESCALED),
        ("Dividends were $3,400 million.", Finding.RESCALED),
        ("It was in 2021.", Finding.EXACT),
    ],
)
def test_true_numbers_are_found(answer: str, finding: Finding) -> None:
    """Given a number that the page holds in some form, when it is checked, then it is found in that form."""
    assert _finding(answer) is finding


@pytest.mark.parametrize(
    "answer",
    [
        "Net sales were $34,292 million.",
        "Net sales were $34,229 billion.",
        "Net sales were $34.3 billion.",
        "Net sales were -$34,229 million.",
        "Net sales were €34,229 million.",
        "Net sales were 34,229%.",
        "Cash from financing came to $3,350 million.",
        "The margin was $19.1 million.",
        "The margin was 1.91%.",
        "EPS was $10.81.",
        "It was in 2019.",
        "EPS was $10.18 billion.",
    ],
)
def test_wrong_numbers_are_unverified(answer: str) -> None:
    """Given a wrong digit, scale, sign, unit or year, when it is checked, then it is unverified with a reason."""
    grounding = check_numbers(answer, [Passage("p", _PAGE)])
    assert grounding.status is GroundingStatus.UNVERIFIED
    assert grounding.unverified[0].reason


def test_computed_numbers_need_their_operands() -> None:
    """Given a program's result, when its operands are on the page it is computed; when one is not, it is unverified."""
    good = Computation(calculate("pct(34229,35355)"), Scale.PERCENT)
    assert _finding("Sales changed by -3.18%.", good) is Finding.COMPUTED
    assert _finding("Sales fell by 3.2%.", good) is Finding.COMPUTED
    assert _finding("Sales grew by 3.2%.", good) is Finding.UNVERIFIED
    assert _finding("Sales changed by -3.28%.", good) is Finding.UNVERIFIED
    bad = Computation(calculate("pct(34229,35955)"), Scale.PERCENT)
    grounding = check_numbers("Sales changed by -4.8%.", [Passage("p", _PAGE)], computations=[bad])
    assert grounding.unverified[0].reason == "its program uses 35955, which no passage holds"


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("pct(1,34229)", "Sales changed by -100%."),
        ("share(5%,34229)", "A share of 0%."),
        ("pct(34229,100)", "By 34,129%."),
    ],
)
def test_no_constant_stands_for_what_is_compared(program: str, answer: str) -> None:
    """Given a change or a share of a number that no page holds, when it is checked, then it is no constant."""
    assert _finding(answer, Computation(calculate(program), Scale.PERCENT)) is Finding.UNVERIFIED


def test_a_constant_within_what_is_compared_is_one() -> None:
    """Given a share in other units, when it is checked, then the factor between them needs no page."""
    share = Computation(calculate("share(19232*1000,34229*1000)"), Scale.PERCENT)
    assert _finding("It was 56.2%.", share) is Finding.COMPUTED


_SALES = "Net sales | $ 10,208,580 | 100.0% | $8,630,889 | 95.5%"
_SERVICES = "Net service sales | 27,738 | 41,322 | 59,293\nOccupancy | 98.5 | 97.1"
_ADDED = "its program makes percent by adding amounts alone: "


@pytest.mark.parametrize(
    ("page", "program", "answer", "objection"),
    [
        (_SALES, "10208580-100.0", "10,208,480%", f"{_ADDED}10208580"),
        (_SALES, "100.0-95.5", "4.5%", None),
        (_SALES, "(10208580-8630889)/8630889*100", "18.28%", None),
        (_SERVICES, "59293-41322", "17,971%", f"{_ADDED}59293, 41322"),
        (_SERVICES, "98.5-97.1", "1.4%", None),
        ("Growth was 1,250% in 2022 and 1,100% in 2021.", "1250-1100", "150%", None),
        (
            _SALES,
            "pct(10208580,100)",
            "10,208,480%",
            "its program compares 10208580, an amount, with 100, a percentage",
        ),
        (_SALES, "pct(10208580,8630889)", "18.28%", None),
        (_SALES, "pct(100.0,95.5)", "4.71%", None),
    ],
)
def test_percent_comes_of_quotients_of_like_figures(
    page: str, program: str, answer: str, objection: str | None
) -> None:
    """Given a program called percent, when it adds amounts or mixes them with percentages, then it is unverified."""
    computation = Computation(calculate(program), Scale.PERCENT)
    (number,) = check_numbers(answer, [Passage("p", page)], computations=[computation]).numbers
    assert (number.is_verified, number.reason) == (objection is None, objection)


def test_years_stand_behind_no_operand() -> None:
    """Given a program over the names of columns, when it is checked, then it is unverified, asked for or not."""
    years = Computation(calculate("2022-2021"), Scale.PERCENT)
    assert _finding("Sales grew by 1%.", years) is Finding.UNVERIFIED
    assert _finding("Sales grew by 1%.", years, question="How did sales grow from 2021 to 2022?") is Finding.UNVERIFIED


def test_a_computed_number_names_its_operands_places() -> None:
    """Given a computed ratio, when it is checked, then each operand's place cuts it out of the passage."""
    ratio = Computation(calculate("(34229-19232)/34229*100"), Scale.PERCENT)
    grounding = check_numbers("The gross margin was 43.8%.", [Passage("p", _PAGE)], computations=[ratio])
    places = grounding.numbers[0].places
    assert [_PAGE[place.start : place.end] for place in places] == ["$34,229", "19,232", "$34,229"]
    assert grounding.numbers[0].program == "(34229-19232)/34229*100"


def test_numbers_of_the_question_are_given() -> None:
    """Given a number that the question itself holds, when the answer repeats it, then it is given, not found."""
    assert _finding("The 365 days count.", question="Use 365 days.") is Finding.GIVEN


def test_counts_need_their_items() -> None:
    """Given a count of items, when all items stand in the passages it is counted, else unverified."""
    passages = [Passage("p", "We operate in Americas, Asia Pacific and EMEA.")]
    counted = check_numbers("There are 3.", passages, items=("Americas", "Asia Pacific", "EMEA"))
    assert counted.numbers[0].finding is Finding.COUNTED
    assert check_numbers("There are 3.", passages, items=("Americas", "Asia", "Mars")).unverified


def test_counted_items_are_short_words_or_figures_and_differ() -> None:
    """Given counts of short names and of figures, when printed they are counted; the same name twice is not."""
    passages = [Passage("p", "We operate in US, UK and Asia.\nSales | 1,412 | 2,388")]
    assert not check_numbers("There are 3.", passages, items=("US", "UK", "Asia")).unverified
    assert not check_numbers("There are 2.", passages, items=("1412", "2388")).unverified
    assert check_numbers("There are 2.", passages, items=("1412", "2399")).unverified
    assert check_numbers("There are 3.", passages, items=("Asia", "Asia", "Asia")).unverified


def test_the_status_tells_of_all_numbers() -> None:
    """Given answers with none, some and all numbers found, when they are checked, then the status says which."""
    passages = [Passage("p", _PAGE)]
    assert check_numbers("Sales fell.", passages).status is GroundingStatus.NO_NUMBERS
    mixed = check_numbers("Sales fell to $34,229 million from $39,999 million.", passages)
    assert mixed.status is GroundingStatus.PARTLY
    assert [number.text for number in mixed.unverified] == ["$39,999 million"]
    assert check_numbers("Sales were $34,229 million in 2022.", passages).status is GroundingStatus.VERIFIED


def test_places_are_exact_over_several_passages() -> None:
    """Given several passages, when a number is found, then passage, key and offsets are right."""
    grounding = check_numbers("It was 9.6%.", [Passage("a", "Nothing here."), Passage("b", _PAGE)])
    place = grounding.numbers[0].places[0]
    assert (place.passage, place.key) == (1, "b")
    assert _PAGE[place.start : place.end] == place.text == "9.6 percent"


def test_percent_signs_at_the_head_of_a_column_count() -> None:
    """Given a column whose head alone has the percent sign, when its figure is cited as percent, then it is found."""
    table = "Segment | Net sales | % of total\nIndustrial | $11,604 | 33.9\nHealth | 8,421 | 24.6"
    assert not check_numbers("Health made 24.6% of sales.", [Passage("p", table)]).unverified
    assert check_numbers("Health made 8,421% of sales.", [Passage("p", table)]).unverified
