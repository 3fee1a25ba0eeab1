"""What an error means for a run, and how long each kind of fault is borne."""

import errno

import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError

from common.errors import NotFoundError
from common.run_operations import FIRST_REST_MS, LONGEST_REST_MS, MOST_FAULTS, FaultKind
from tests.unit.bulk.faulty_bench import AWAY, DENIED, NO_BUCKET, answer
from worker.bulk.faults import fault_of


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (AWAY, FaultKind.OUTAGE, "files_unavailable"),
        (ReadTimeoutError(endpoint_url="http://bucket"), FaultKind.OUTAGE, "files_unavailable"),
        (TimeoutError(), FaultKind.OUTAGE, "files_unavailable"),
        (answer(503, "SlowDown"), FaultKind.OUTAGE, "files_unavailable"),
        (answer(502, "502"), FaultKind.OUTAGE, "files_unavailable"),
        (OSError(errno.EIO, "disk"), FaultKind.OUTAGE, "files_unavailable"),
        (DENIED, FaultKind.CLOSED, "files_closed"),
        (NO_BUCKET, FaultKind.CLOSED, "files_closed"),
        (NoCredentialsError(), FaultKind.CLOSED, "files_closed"),
        (NotFoundError("The collection col_1 was deleted."), FaultKind.PERMANENT, "not_found"),
        (answer(404, "NoSuchKey"), FaultKind.UNEXPECTED, "file_missing"),
        (answer(400, "InvalidBucketName"), FaultKind.UNEXPECTED, "files_refused"),
        (RuntimeError("secret"), FaultKind.UNEXPECTED, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_is_told_apart_by_whether_it_passes(error: Exception, kind: FaultKind, code: str) -> None:
    """Given what a bucket, a disk or a defect raises, then it is known whether it passes, and what to tell of it."""
    fault = fault_of(error)
    assert (fault.kind, fault.error.code) == (kind, code)
    assert "secret" not in fault.error.message


@pytest.mark.parametrize(
    ("kind", "least_s", "most_s"),
    [
        (FaultKind.OUTAGE, 23 * 3_600, 25 * 3_600),
        (FaultKind.UNEXPECTED, 300, 600),
        (FaultKind.CLOSED, 300, 600),
        (FaultKind.PERMANENT, 0, 0),
    ],
)
def test_faults_are_borne_as_long_as_callers_are_told(kind: FaultKind, least_s: int, most_s: int) -> None:
    """Given a run of which nothing gets on, then its rests before the last fault add up to what its reason says."""
    rests_ms = [min(LONGEST_REST_MS, FIRST_REST_MS * 2**number) for number in range(MOST_FAULTS[kind] - 1)]
    assert least_s <= sum(rests_ms) / 1000 <= most_s
