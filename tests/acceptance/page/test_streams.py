"""Event streams of many questions: few are open, so that the browser has connections left for everything else."""

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.page.jobs import ANSWER, JobsStub, question
from tests.acceptance.page.waiting import until

MOST = 3


@pytest.fixture
def jobs(page: Page) -> JobsStub:
    """Six questions that wait, as many of them followed as the page takes."""
    stub = JobsStub(page, 6)
    page.goto("/")
    expect(page.get_by_role("article")).to_have_count(6)
    until(page, lambda: len(set(stub.streams)) >= MOST)
    return stub


def unfollowed(jobs: JobsStub) -> str:
    """Return a job whose events nobody follows."""
    return next(job_id for job_id in jobs.statuses if job_id not in jobs.streams)


def test_few_streams_are_open_and_other_jobs_are_looked_at(page: Page, jobs: JobsStub) -> None:
    """Given six questions that wait, when time goes by, then three streams are open and every job is looked at."""
    until(page, lambda: all(jobs.looks.count(job_id) > 2 for job_id in jobs.statuses))
    assert len(set(jobs.streams)) == MOST
    assert set(jobs.looks) == set(jobs.statuses)


def test_a_job_that_runs_takes_the_stream_of_one_that_waits(page: Page, jobs: JobsStub) -> None:
    """Given a job without a stream, when it runs, then it is followed, and no more are than before."""
    late = unfollowed(jobs)
    jobs.statuses[late] = "running"
    until(page, lambda: late in jobs.streams)
    jobs.streams.clear()
    until(page, lambda: len(set(jobs.streams)) >= MOST)
    page.wait_for_timeout(1_500)
    assert late in jobs.streams
    assert len(set(jobs.streams)) == MOST


def test_a_job_without_a_stream_ends_too(page: Page, jobs: JobsStub) -> None:
    """Given a job without a stream, when it is answered, then its card shows the answer, which is announced."""
    late = unfollowed(jobs)
    jobs.statuses[late] = "succeeded"
    expect(page.get_by_role("article", name=question(late))).to_contain_text(ANSWER)
    expect(page.locator("#announce")).to_have_text(f"Answer: {ANSWER}")


def test_a_cleared_list_asks_for_nothing_more(page: Page, jobs: JobsStub) -> None:
    """Given followed questions, when the list is cleared, then streams and looks end and no answer is announced."""
    page.get_by_role("button", name="Clear list").click()
    expect(page.get_by_role("article")).to_have_count(0)
    jobs.statuses = dict.fromkeys(jobs.statuses, "succeeded")
    page.wait_for_timeout(500)
    jobs.looks.clear()
    jobs.streams.clear()
    page.wait_for_timeout(3_000)
    assert not jobs.looks
    assert not jobs.streams
    expect(page.locator("#announce")).to_be_empty()
