"""What an error means for the run it broke off: it ends at once, or is tried again for minutes or for a day."""

from common.bulk import LineError
from common.errors import ConfigurationError, NotFoundError
from common.file_errors import closed_reason, passes
from common.run_operations import Fault, FaultKind


def fault_of(error: Exception) -> Fault:
    """Return what an error is to a run and to its caller; details that are no caller's business stay out."""
    if isinstance(error, NotFoundError | ConfigurationError):
        return _fault(FaultKind.PERMANENT, error.code, error.message)
    closed = closed_reason(error)
    if closed is not None:
        # It may be this worker alone whose key is wrong, so that another can go on.
        return _fault(
            FaultKind.CLOSED,
            "files_closed",
            f"The workers cannot use the file store: {closed}. Have its operator mend that, then start this again.",
        )
    if passes(error):
        return _fault(
            FaultKind.OUTAGE,
            "files_unavailable",
            "The file store did not answer for a day. Start this again when it is back.",
        )
    if isinstance(error, FileNotFoundError):
        return _fault(FaultKind.UNEXPECTED, "file_missing", f"A file of the run is missing: {error}")
    if isinstance(error, OSError):
        words = f"The file store refuses what the workers ask: {error.strerror or error}."
        return _fault(FaultKind.UNEXPECTED, "files_refused", words)
    return _fault(FaultKind.UNEXPECTED, "internal_error", f"The worker failed on this run: {type(error).__name__}.")


def _fault(kind: FaultKind, code: str, message: str) -> Fault:
    return Fault(kind, LineError(code=code, message=message))
