"""The bulk benchmark: which reports it takes, and how it compares runs."""

from pathlib import Path

import pytest

from tests.bench.bulk import Run, in_plan_order, ratio, shuffled
from tests.bench.bulk_prompts import chosen_reports, shareable_tokens


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Six reports of two kinds, an awkward one, and a list that is no report."""
    for name in ("pdf/a.pdf", "pdf/b.pdf", "pdf/c.pdf", "html/d.html", "html/e.html", "html/f.html"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "awkward").mkdir()
    (tmp_path / "awkward" / "broken.pdf").write_bytes(b"")
    (tmp_path / "manifest.jsonl").write_bytes(b"")
    return tmp_path


def test_awkward_files_are_left_out(reports: Path) -> None:
    """Given a folder with awkward files, when all reports are wanted, then only readable ones are taken."""
    assert [path.name for path in chosen_reports(reports, 100)] == [
        "d.html", "e.html", "f.html", "a.pdf", "b.pdf", "c.pdf",
    ]  # fmt: skip


def test_fewer_reports_are_of_both_kinds(reports: Path) -> None:
    """Given two kinds of reports, when two are wanted, then there is one of each."""
    assert [path.suffix for path in chosen_reports(reports, 2)] == [".html", ".pdf"]


def test_answers_come_back_in_plan_order() -> None:
    """Given prompts asked in another order, when their answers are sorted back, then each is at its own place."""
    order = shuffled(range(20))
    assert order != list(range(20))
    assert in_plan_order([[number] for number in order], order) == tuple((number,) for number in range(20))


def test_a_missing_run_has_no_ratio() -> None:
    """Given a run that was not possible, then nothing is compared with it."""
    fast, slow = Run("fast", 10.0, ((1,),)), Run("slow", 30.0, ((1,),))
    assert ratio(fast, slow) == 3.0
    assert ratio(fast, Run("missing", why="not made yet")) is None
    assert fast.per_minute == 6.0


def test_shared_beginnings_are_counted_in_whole_blocks() -> None:
    """Given prompts that share 70 tokens, when the second is asked, then two blocks of 32 of it are found."""
    page = list(range(70))
    assert shareable_tokens([[*page, 1, 2], [*page, 3, 4], list(range(500, 600))]) == 64


def test_the_last_token_of_a_prompt_is_computed() -> None:
    """Given a prompt of whole blocks, when it is asked again, then its last block is computed again."""
    assert shareable_tokens([list(range(64))] * 2) == 32
