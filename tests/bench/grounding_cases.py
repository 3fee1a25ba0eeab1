"""Seeded answers about real report pages and TAT-QA contexts, each with a corrupted twin."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

from common.calculator import ProgramError, calculate
from common.numbers import Scale, round_half_up
from tests.bench.grounding_corruptions import CORRUPTIONS, TARGET
from worker.operands import Computation
from worker.retrieval.figures import FoundFigure, Unit, find_figures
from worker.retrieval.parse import parse_document
from worker.retrieval.passage_figures import passage_figures
from worker.retrieval.problems import DocumentError

_WORDS = {3: "thousand", 6: "million", 9: "billion"}


@dataclass(frozen=True, slots=True)
class Case:
    """An answer whose number at `at` is true, or corrupted in the way named."""

    kind: str
    corruption: str | None
    answer: str
    at: int
    passages: tuple[str, ...]
    computations: tuple[Computation, ...]
    near: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A true answer: `template` holds {n} where the number goes; `number` is that number as text."""

    kind: str
    template: str
    number: str
    passages: tuple[str, ...]
    computations: tuple[Computation, ...] = ()
    near: str = ""


def make_cases(data: Path, pairs: int, random_source: random.Random) -> tuple[list[Case], int]:
    """Return true and corrupted cases, and how many corruptions were left out as the passage prints them by chance."""
    drafts = list(islice(_interleaved(_report_drafts(data, random_source), _tatqa_drafts(data, random_source)), pairs))
    cases: list[Case] = []
    collisions = 0
    for number, draft in enumerate(drafts):
        cases.append(_case(draft, None, draft.template, draft.number))
        kinds = list(CORRUPTIONS)
        start = number % len(kinds)
        for name in kinds[start:] + kinds[:start]:
            twin = CORRUPTIONS[name](draft.template, draft.number, random_source)
            if twin is None:
                continue
            if _stands_there(twin[1], draft) or (twin[1] == draft.number and twin[0] == draft.template):
                collisions += 1
                continue
            cases.append(_case(draft, name, *twin))
            break
        if draft.computations and number % 3 == 0 and (broken := _broken_program(draft, random_source)):
            cases.append(broken)
    return cases, collisions


def _case(draft: Draft, corruption: str | None, template: str, number: str) -> Case:
    at = template.index(TARGET)
    offset = next((place for place, char in enumerate(number) if char.isdigit()), 0)
    answer = template.replace(TARGET, number)
    return Case(draft.kind, corruption, answer, at + offset, draft.passages, draft.computations, draft.near)


def _stands_there(number: str, draft: Draft) -> bool:
    """Return whether the corrupted number is, by chance, what the passages print or a program gives."""
    figure = next(find_figures(number), None)
    if figure is None:
        return True
    printed = chain.from_iterable(passage_figures(passage) for passage in draft.passages)
    return any(
        other.figure.value == figure.value
        and (other.figure.unit is Unit.PERCENT) == (figure.unit is Unit.PERCENT)
        and (figure.power or 0) in (other.powers | {0})
        for other in printed
    )


def _interleaved(*sources: Iterator[Draft]) -> Iterator[Draft]:
    waiting = list(sources)
    while waiting:
        for source in list(waiting):
            draft = next(source, None)
            if draft is None:
                waiting.remove(source)
            else:
                yield draft


def _report_drafts(data: Path, random_source: random.Random) -> Iterator[Draft]:
    pages: list[str] = []
    for path in sorted((data / "reports").glob("*/*.*")):
        if path.stat().st_size > 1_200_000:
            continue
        try:
            pages += [page.text for page in parse_document(path.name, path.read_bytes()).pages]
        except DocumentError:
            continue
    random_source.shuffle(pages)
    for page in pages:
        drafts = list(_page_drafts(page))
        random_source.shuffle(drafts)
        yield from drafts[:3]


def _page_drafts(page: str) -> Iterator[Draft]:
    for printed in passage_figures(page):
        figure = printed.figure
        line = page[page.rfind("\n", 0, figure.start) + 1 : _line_end(page, figure.end)]
        if figure.unit is Unit.YEAR or abs(figure.value) < 10 or figure.significant_digits < 3:
            continue
        if " | " in line:
            yield from _row_drafts(page, line, figure, printed.powers)
        elif figure.unit in (Unit.PERCENT, Unit.MONEY) and len(line) > 80 and figure.value > 0:
            yield Draft("prose, as printed", f"The report gives {TARGET} here.", figure.text, (page,), near=line[:160])


def _row_drafts(page: str, line: str, figure: FoundFigure, powers: frozenset[int]) -> Iterator[Draft]:
    label = line.split(" | ")[0].strip()
    scaled = sorted(power for power in powers if power)
    if len(label) < 4 or len(scaled) != 1 or figure.unit is Unit.PERCENT or figure.currency not in (None, "$"):
        return
    power = scaled[0]
    size = f"{abs(figure.value):,}"
    sign = "-" if figure.value < 0 else ""
    near = line[:160]
    yield Draft("row, with scale", f"{label} was {TARGET}.", f"{sign}${size} {_WORDS[power]}", (page,), near=near)
    full = f"{sign}${abs(int(figure.value * 10**power)):,}"
    yield Draft("row, in single units", f"{label} came to {TARGET}.", full, (page,), near=near)
    if figure.value > 999 and power < 9:
        short = round_half_up(Fraction(figure.value) / 1000, 1)
        yield Draft(
            "row, rounded", f"{label} was about {TARGET}.", f"{sign}${short:,} {_WORDS[power + 3]}", (page,), near=near
        )
    if figure.value < 0:
        yield Draft(
            "row, fall in words",
            f"{label} showed a decrease of {TARGET}.",
            f"${size} {_WORDS[power]}",
            (page,),
            near=near,
        )
    yield from _change_drafts(page, line, label)


def _change_drafts(page: str, line: str, label: str) -> Iterator[Draft]:
    values = [found.value for found in find_figures(line[len(label) :]) if found.unit in (Unit.PLAIN, Unit.MONEY)]
    if len(values) < 2 or min(values[:2]) < 100 or values[0] == values[1]:
        return
    calculation = calculate(f"pct({values[0]},{values[1]})")
    assert calculation.value is not None
    result = round_half_up(calculation.value, 1)
    if abs(result) < 1:
        return
    computation = Computation(calculation, Scale.PERCENT)
    yield Draft("computed change", f"{label} changed by {TARGET}.", f"{result}%", (page,), (computation,), line[:160])


def _tatqa_drafts(data: Path, random_source: random.Random) -> Iterator[Draft]:
    contexts = json.loads((data / "tatqa" / "train.json").read_text("utf-8"))
    random_source.shuffle(contexts)
    for context in contexts:
        rows = [" | ".join(row) for row in context["table"]["table"]]
        prose = [paragraph["text"] for paragraph in context["paragraphs"]]
        page = "\n".join([*rows, *prose])
        for question in context["questions"]:
            draft = _tatqa_draft(question, page)
            if draft is not None:
                yield draft


def _tatqa_draft(question: dict[str, Any], page: str) -> Draft | None:
    scale = question["scale"]
    suffix = {"": "", "percent": "%"}.get(scale, f" {scale}")
    if question["answer_type"] == "span" and len(question["answer"]) == 1:
        bare = question["answer"][0].strip().rstrip("%").strip()
        if re.fullmatch(r"[$£€]?\d[\d,.]*\d", bare) and not re.fullmatch(r"(?:19|20)\d\d", bare):
            return Draft("TAT-QA span", f"It was {TARGET}.", bare + suffix, (page,), near=question["question"])
    if question["answer_type"] != "arithmetic":
        return None
    program = re.sub(r"[$£€,\s]", "", question["derivation"]).replace("[", "(").replace("]", ")").replace("–", "-")
    try:
        calculation = calculate(f"100*({program})" if scale == "percent" and "%" not in program else program)
        answer = Decimal(str(question["answer"]))
    except (ProgramError, ArithmeticError):
        return None
    if calculation.value is None or abs(float(calculation.value) - float(answer)) > 0.006 or abs(answer) < 1:
        return None
    computation = Computation(calculation, Scale(scale) if scale else Scale.NONE)
    return Draft(
        "TAT-QA computed",
        f"The result is {TARGET}.",
        f"{answer:,}{suffix}",
        (page,),
        (computation,),
        question["derivation"],
    )


def _broken_program(draft: Draft, random_source: random.Random) -> Case | None:
    """Return the case of a right calculation with a number that no passage holds."""
    computation = draft.computations[0]
    operands = [operand.text for operand in computation.calculation.operands if len(operand.text.strip("%.")) > 2]
    if not operands:
        return None
    old = random_source.choice(operands)
    digit = str((int(old[1]) + 3) % 10) if old[1].isdigit() else "7"
    new = old[0] + digit + old[2:]
    if any(
        abs(printed.figure.value) == Decimal(new.rstrip("%"))
        for page in draft.passages
        for printed in passage_figures(page)
    ):
        return None
    try:
        calculation = calculate(computation.calculation.program.replace(old, new, 1))
    except ProgramError:
        return None
    if calculation.value is None or calculation.value == computation.calculation.value:
        return None
    number = f"{round_half_up(calculation.value, 2):,}" + ("%" if draft.number.endswith("%") else "")
    if _stands_there(number, draft):
        return None
    broken = replace(draft, computations=(Computation(calculation, computation.scale),))
    return _case(broken, "operand", draft.template, number)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end
