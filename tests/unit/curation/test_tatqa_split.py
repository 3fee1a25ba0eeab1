"""TAT-QA's own train split: which of its questions are taken, and that they move no row of a split that is drawn."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigurationError
from training import mix
from training.curate import curate
from training.mix import later
from training.splits import Split, extended
from training.tasks.base import Example
from training.tasks.tatqa import TatqaTask
from training.tasks.tatqa_split import SOURCE, listed_questions, question_hash


def page(label: str, *questions: str, text: str = "") -> dict[str, Any]:
    return {
        "table": {"uid": label, "table": [["", "2019", "2018"], [label, "1,200", "1,000"]]},
        "paragraphs": [{"uid": "p", "order": 1, "text": text}] if text else [],
        "questions": [
            {
                "uid": f"{label}-{number}",
                "question": question,
                "answer": ["1,200"],
                "derivation": "",
                "answer_type": "span",
                "answer_from": "table",
                "scale": "",
            }
            for number, question in enumerate(questions)
        ],
    }


def written(folder: Path, *pages: dict[str, Any]) -> Path:
    path = folder / "tatqa_dataset_train.json"
    path.write_text(json.dumps(pages), "utf-8")
    return path


def examples(folder: Path, *pages: dict[str, Any]) -> list[Example]:
    return list(TatqaTask().examples(written(folder, *pages)))


def name_of(row: Example) -> str:
    return question_hash(row.group, row.gold["question"])


def listed(folder: Path, *rows: Example) -> Path:
    path = folder / "questions.txt"
    path.write_text("\n".join(map(name_of, rows)), "utf-8")
    return path


def test_listed_questions_are_taken_from_any_copy_of_the_file(tmp_path: Path) -> None:
    # Given a list with one of two questions, made from a copy with other white space and other names
    known = examples(tmp_path, page("Net  sales", "What were net sales in 2019?"))
    path = written(tmp_path, page("Net sales", "What were net sales in  2019?", "What were they in 2018?"))
    # When the file is read, then that one is its row, named by what it says
    (row,) = listed_questions(path, listed(tmp_path, *known))
    assert (row.answer, row.source, row.uid) == ("1200 | none", SOURCE, f"tatqa-{name_of(row)}")


def test_a_question_on_another_page_is_another_question(tmp_path: Path) -> None:
    first, second = examples(tmp_path, page("Sales", "How much in 2019?"), page("Costs", "How much in 2019?"))
    assert name_of(first) != name_of(second)


def test_a_file_without_any_listed_question_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, page("Sales", "How much in 2019?"))
    with pytest.raises(ConfigurationError, match="no question listed"):
        listed_questions(path, listed(tmp_path))


@pytest.mark.parametrize("content", ["{", "[1]", '[{"table": {}}]', '{"table": 1}'])
def test_a_file_of_another_form_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tatqa_dataset_train.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=r"tatqa_dataset_train\.json is not in the form"):
        listed_questions(path)


def test_questions_that_are_not_listed_may_have_any_form(tmp_path: Path) -> None:
    # Given a page whose second question has a scale that is none, when the first is listed, then it is taken
    odd = page("Known", "How much in 2019?", "And in 2018?")
    known = listed(tmp_path, examples(tmp_path, page("Known", "How much in 2019?"))[0])
    odd["questions"][1]["scale"] = "dozen"
    assert len(list(listed_questions(written(tmp_path, odd), known))) == 1


def test_the_mix_goes_on_without_the_split(tmp_path: Path) -> None:
    """Given a data folder without the optional file, then there are no such rows and no error."""
    assert list(later(tmp_path, frozenset({"tatqa_split"}))) == []


def test_the_mix_takes_the_split_without_reported_pages(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a data folder with the optional file, which holds two fresh pages and one that is reported on
    for source in shared_data.iterdir():
        if source.name != "tatqa":
            (tmp_path / source.name).symlink_to(source)
    (tmp_path / "tatqa").mkdir()
    for source in (shared_data / "tatqa").iterdir():
        (tmp_path / "tatqa" / source.name).symlink_to(source)
    (reported, *_) = json.loads((shared_data / "tatqa" / "dev.json").read_text("utf-8"))
    fresh = (
        page("Freight", "What was freight charged by foreign carriers in 2019?"),
        page("Wages", "What were wages paid to drivers in 2018?"),
    )
    path = written(tmp_path / "tatqa", *fresh, reported)
    known = listed(tmp_path, *TatqaTask().examples(path))
    monkeypatch.setattr(mix, "listed_questions", lambda found: listed_questions(found, known))
    # When the task is curated, then the fresh pages' questions are trained on, with refusals, and nothing else
    parts, card = curate(
        tmp_path, tasks=frozenset({"tatqa_split"}), seed=1, selection_share=0.0, tokenizer=None, max_tokens=1_000
    )
    assert [row.source for row in parts.train if row.task == "tatqa"] == [SOURCE, SOURCE]
    assert {row.source for row in parts.train if row.task == "refusal"} == {f"{SOURCE}_refusals"}
    assert card["dropped"] == {f"{SOURCE}: shares its page or table with an evaluation set": len(reported["questions"])}


LONG = (
    "The increase is primarily due to higher volumes in all regions, partly offset by lower prices in Europe and by "
    "the weaker dollar in the second half of the year."
)


class TestJoiningASplit:
    def test_pages_of_the_selection_split_and_reported_pages_stay_out(self, tmp_path: Path) -> None:
        # Given a page of the selection split, a reported page, one with the reported page's text, and a fresh one
        chosen, reported, alike, fresh = examples(
            tmp_path,
            page("Chosen", "How much in 2019?"),
            page("Reported", "How much in 2019?", text=LONG),
            page("Alike", "How much in 2019?", text=LONG),
            page("Fresh", "How much in 2019?"),
        )
        parts = Split([], [chosen], Counter())
        # When all are joined to the split, then only the fresh one is trained on
        joined = extended(parts, [chosen, reported, alike, fresh], [reported], 0.0, seed=1)
        assert joined.train == [fresh]
        assert joined.selection == []
        assert joined.dropped.total() == 3

    def test_a_page_that_is_trained_on_is_never_chosen_by(self, tmp_path: Path) -> None:
        # Given a page of the training split with a further question, and a fresh page
        known, further, fresh = examples(
            tmp_path, page("Known", "How much in 2019?", "And in 2018?"), page("Fresh", "How much in 2019?")
        )
        parts = Split([known], [], Counter())
        # When everything is drawn for the selection split, then the known page's question is trained on all the same
        joined = extended(parts, [further, fresh], [], 1.0, seed=1)
        assert joined.train == [further]
        assert joined.selection == [fresh]

    @pytest.mark.parametrize("selection_share", [0.0, 1.0])
    def test_a_question_that_is_trained_on_is_not_there_twice(self, tmp_path: Path, selection_share: float) -> None:
        # Given a question of the training split, when it comes again, then it is counted, whatever is drawn for it
        (known,) = examples(tmp_path, page("Known", "How much in 2019?"))
        parts = Split([known], [], Counter())
        joined = extended(parts, [replace(known, uid="again")], [], selection_share, seed=1)
        assert joined == Split([], [], Counter({"asked in the training split already": 1}))
