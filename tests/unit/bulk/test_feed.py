"""A run from its file to its results, and what crashes, cancellations and expiry do to it."""

import json
from collections import Counter

import pytest

from common import operations, run_operations
from common.bulk import BulkRun, RunKind, RunStatus, RunStream, item_job_id
from common.jobs import Lane
from common.stored_files import Deletion, delete_file, describe_file
from tests.support.bulk_runs import CALLER, BulkBench, Crash, CrashingStore, chat_line

LINES = [
    *(chat_line(f"row-{number}", f"question {number}") for number in range(9)),
    chat_line("again", "question 3"),
    chat_line("broken", "fail here"),
    chat_line("refused", "question", n=5),
    chat_line("again-too", "question 3"),
    chat_line("long", "x" * 5_000),
]
DONE = {*(f"row-{number}" for number in range(9)), "again", "again-too"}
NOT_DONE = {"broken", "refused", "long"}


def assert_complete(bench: BulkBench, run: BulkRun) -> None:
    """Every line has its record, once, and the counts say so."""
    done, not_done = (Counter(row["custom_id"] for row in bench.rows(run, stream)) for stream in RunStream)
    assert done == Counter(DONE)
    assert not_done == Counter(NOT_DONE)
    assert (run.total, run.completed, run.failed) == (len(LINES), len(DONE), len(NOT_DONE))


def test_a_batch_runs_to_its_end(bench: BulkBench) -> None:
    # Given a batch with good, repeated, failing and refused lines
    run = bench.submit(LINES)
    # When it is fed
    ended = bench.feed()
    # Then it has completed with both files, and nothing else is left
    assert ended is not None
    assert ended.status is RunStatus.COMPLETED
    assert_complete(bench, ended)
    assert ended.created_at_ms <= (ended.in_progress_at_ms or 0) <= (ended.finalizing_at_ms or 0)
    assert (ended.finalizing_at_ms or 0) <= (ended.completed_at_ms or 0)
    for file_id, stream in ((ended.output_file_id, RunStream.OUTPUT), (ended.error_file_id, RunStream.ERROR)):
        file = bench.store.run(describe_file(file_id or "", CALLER))
        assert file is not None
        content = b"".join(bench.files.chunks(file.key))
        assert len(content) == file.bytes
        assert [json.loads(line) for line in content.splitlines()] == bench.rows(ended, stream)
    assert not bench.left_in_redis()
    assert len(bench.files.keys(f"runs/{run.id}/")) == 2


def test_records_are_those_of_openai_batches(bench: BulkBench) -> None:
    # Given a batch that has ended
    bench.submit(LINES)
    run = bench.feed()
    assert run is not None
    # Then answers carry a chat completion, refusals a status, failures their code
    output = {row["custom_id"]: row for row in bench.rows(run, RunStream.OUTPUT)}
    errors = {row["custom_id"]: row for row in bench.rows(run, RunStream.ERROR)}
    body = output["row-1"]["response"]["body"]
    assert output["row-1"]["response"]["status_code"] == 200
    assert body["choices"][0]["message"]["content"] == "answer to question 1"
    assert body["usage"]["total_tokens"] == 7
    assert errors["broken"]["error"] == {"code": "engine_error", "message": "no"}
    assert errors["refused"]["response"]["status_code"] == 400
    assert errors["refused"]["response"]["body"]["error"]["code"] == "unsupported_parameter"
    assert errors["long"]["response"]["body"]["error"]["code"] == "prompt_too_long"
    ids = [row["id"] for row in (*output.values(), *errors.values())]
    assert len(set(ids)) == len(LINES)


def test_identical_requests_are_computed_once(bench: BulkBench) -> None:
    # Given three lines that ask the same
    bench.submit(LINES)
    run = bench.feed()
    assert run is not None
    # Then one job was run for them, and each line has the answer under its own id
    assert bench.asked[item_job_id(run.id, 3)] == 1
    assert item_job_id(run.id, 9) not in bench.asked
    output = {row["custom_id"]: row["response"]["body"] for row in bench.rows(run, RunStream.OUTPUT)}
    assert output["again"] == output["again-too"] == output["row-3"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 40))
def test_a_crash_at_any_step_loses_and_doubles_nothing(bench: BulkBench, step: int, after: bool) -> None:
    # Given a feeder that dies just before or just after its nth operation reaches Redis
    run = bench.submit(LINES)
    store = CrashingStore(bench.store.client, bench.store.keys, step, after)
    try:
        bench.feed(store)
    except Crash:
        # When another worker goes on
        bench.feed()
    # Then every line has exactly one record, every request was computed once, and nothing is left behind
    ended = bench.run(run.id)
    assert ended.status is RunStatus.COMPLETED
    assert_complete(bench, ended)
    assert set(bench.asked.values()) == {1}
    assert not bench.left_in_redis()
    assert len(bench.files.keys(f"runs/{run.id}/")) == 2


def test_the_crash_steps_reach_beyond_the_run(bench: BulkBench) -> None:
    # Given a run without a crash, then the steps tried above are all it takes
    bench.submit(LINES)
    store = CrashingStore(bench.store.client, bench.store.keys, 0, False)
    bench.feed(store)
    assert 15 < store.steps < 40


def test_two_crashes_in_a_row_are_survived(bench: BulkBench) -> None:
    for first in range(2, 24, 3):
        for second in range(2, 16, 3):
            bench.asked.clear()
            run = bench.submit(LINES)
            for step in (first, second):
                try:
                    bench.feed(CrashingStore(bench.store.client, bench.store.keys, step, after=step % 2 == 0))
                except Crash:
                    continue
            bench.feed()
            assert_complete(bench, bench.run(run.id))
            assert set(bench.asked.values()) == {1}


def test_a_feeder_that_was_overtaken_changes_nothing(bench: BulkBench) -> None:
    # Given a run that a second worker has leased from a first that stood still
    bench.submit(LINES)
    slow = bench.store.run(run_operations.lease_run(1))
    assert slow is not None
    bench.store.run(run_operations.begin_run(slow.id, slow.fencing_token, 3, None))
    bench.store.client.delete(f"{bench.store.keys.root}run_leases")
    assert bench.store.run(run_operations.lease_run(60_000)) is not None
    # When the first goes on
    lease = (slow.id, slow.fencing_token)
    done = run_operations.Record(1, (), (), 1, 0, 0)
    answers = [
        bench.store.run(run_operations.collect(*lease, 10)),
        bench.store.run(run_operations.record(*lease, done)),
        bench.store.run(run_operations.finish_run(*lease, (), ())),
        bench.store.run(run_operations.release_run(*lease)),
    ]
    # Then all its writes are refused
    assert answers == [None, False, None, False]
    assert bench.store.run(run_operations.admit(slow, [], 10, 1, 1000)) is run_operations.Admitted.LOST
    assert bench.run(slow.id).completed == 0


def test_a_cancelled_batch_keeps_what_was_done(bench: BulkBench) -> None:
    # Given a batch of which some lines are done and some are open
    run = bench.submit([chat_line(f"row-{number}", f"question {number}") for number in range(40)])
    with pytest.raises(Crash):
        bench.feed(CrashingStore(bench.store.client, bench.store.keys, 16, after=True))
    done = bench.run(run.id).completed
    assert 0 < done < 40
    # When it is cancelled while nothing answers any more
    assert bench.store.run(run_operations.cancel_run(run.id, CALLER, RunKind.BATCH)) is not None
    assert bench.run(run.id).status is RunStatus.CANCELLING
    ended = bench.feed(playing=False)
    # Then the finished rows are in its file, and no job is left
    assert ended is not None
    assert ended.status is RunStatus.CANCELLED
    assert done <= ended.completed < 40
    assert len(bench.rows(ended, RunStream.OUTPUT)) == ended.completed
    assert ended.failed == 0
    assert ended.cancelled_at_ms is not None
    assert not bench.left_in_redis()


def test_an_expired_batch_accounts_for_every_line(bench: BulkBench) -> None:
    # Given a batch whose time is over before it is fed
    run = bench.submit([*LINES[:9], LINES[9]], expires_after_s=3600)
    bench.store.client.hset(f"{bench.store.keys.root}run:{run.id}", "expires_at_ms", str(run.created_at_ms - 1))
    # When a worker comes
    ended = bench.feed()
    # Then each line has a row that says so
    assert ended is not None
    assert ended.status is RunStatus.EXPIRED
    rows = bench.rows(ended, RunStream.ERROR)
    assert {row["error"]["code"] for row in rows} == {"batch_expired"}
    assert len(rows) == ended.failed == ended.expired == 10
    assert not bench.asked


def test_a_file_in_use_is_kept(bench: BulkBench) -> None:
    # Given a batch that has not ended
    run = bench.submit(LINES)
    file_id = run.spec["input_file_id"]
    assert bench.store.run(delete_file(file_id, CALLER)) is Deletion.IN_USE
    # When it has ended, then its input can be deleted
    bench.feed()
    assert bench.store.run(delete_file(file_id, CALLER)) is Deletion.DELETED


def test_runs_take_turns_in_the_lane(bench: BulkBench) -> None:
    # Given two batches whose items wait in the lane
    runs = [bench.submit([chat_line(f"{name}{n}", f"{name} {n}") for n in range(4)]) for name in "ab"]
    for _ in runs:
        with pytest.raises(Crash):
            bench.feed(CrashingStore(bench.store.client, bench.store.keys, 3, after=True), playing=False)
        bench.store.client.zadd(f"{bench.store.keys.root}runs_active", {runs[0].id: 2e12})
    # When the jobs are taken, then both runs get their turns
    order = []
    while claimed := bench.store.run(operations.claim("player", Lane.BULK, 60_000)):
        order.append(claimed.job.request.messages[-1].content[0])
    assert sorted(order) == list("aaaabbbb")
    assert set(order[:2]) == set(order[2:4]) == {"a", "b"}


def test_a_model_that_is_not_served_fails_its_line_alone(bench: BulkBench) -> None:
    """Given a line that names another model, when the batch is fed, then it is refused like a chat that names it."""
    bench.submit([chat_line("other", "question", model="gpt-9"), chat_line("ours", "question")])
    run = bench.feed()
    assert run is not None
    assert (run.status, run.completed, run.failed) == (RunStatus.COMPLETED, 1, 1)
    refused = bench.rows(run, RunStream.ERROR)[0]
    assert refused["custom_id"] == "other"
    assert refused["response"]["status_code"] == 404
    assert refused["response"]["body"]["error"]["code"] == "model_not_found"
    assert "financellm" in refused["response"]["body"]["error"]["message"]
    assert sum(bench.asked.values()) == 1
