"""What an error of the file store means: it will pass, or somebody must let us in first."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import UnavailableError

# A bucket's answer to a request that is wrong, or goes to a wrong place; it answers the same the next time.
_REFUSALS = frozenset({errno.EINVAL, errno.ENOSYS, errno.EREMCHG})
# A bucket's library may not be installed, so its errors are known by name.
_AWAY = frozenset(
    {
        "aiohttp.client_exceptions.ClientError",
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.CredentialRetrievalError",
        "botocore.exceptions.HTTPClientError",
        "botocore.exceptions.IncompleteReadError",
        "botocore.parsers.ResponseParserError",
    }
)
_SETTINGS = frozenset(
    {
        "botocore.exceptions.ConfigNotFound",
        "botocore.exceptions.ConfigParseError",
        "botocore.exceptions.InvalidRegionError",
        "botocore.exceptions.NoCredentialsError",
        "botocore.exceptions.NoRegionError",
        "botocore.exceptions.ParamValidationError",
        "botocore.exceptions.PartialCredentialsError",
        "botocore.exceptions.ProfileNotFound",
    }
)


def passes(error: Exception) -> bool:
    """Tell whether the file store is away for now: nobody answers there, it is overloaded, or its disk fails."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return False
    if isinstance(error, OSError):
        return error.errno not in _REFUSALS
    return not _AWAY.isdisjoint(_type_names(error))


def closed_reason(error: Exception) -> str | None:
    """Return why nothing can be read or written until somebody changes something, None where that is not so."""
    if isinstance(error, PermissionError):
        return "access is denied"
    if isinstance(error, FileNotFoundError) and _answered_code(error.__cause__) == "NoSuchBucket":
        return "the bucket does not exist"
    settings = [name for name in _type_names(error) if name in _SETTINGS]
    return f"a setting is missing or wrong ({settings[0].rpartition('.')[2]})" if settings else None


@contextmanager
def outages_told() -> Iterator[None]:
    """Turn an error of the file store that passes, or that its operator can mend, into UnavailableError."""
    try:
        yield
    except Exception as error:
        if reason := closed_reason(error):
            raise UnavailableError(f"The file store is closed to the service: {reason}. Tell its operator.") from error
        if not passes(error):
            raise
        raise UnavailableError(f"The file store does not answer: {error}. Try again in a few seconds.") from error


def _type_names(error: Exception) -> list[str]:
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]


def _answered_code(cause: BaseException | None) -> str | None:
    """Return the code of a bucket's answer, as its library keeps it."""
    answer = getattr(cause, "response", None) or {}
    code: str | None = answer.get("Error", {}).get("Code")
    return code
