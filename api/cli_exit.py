"""Exit codes of the command line."""

from enum import IntEnum


class Exit(IntEnum):
    """What a script learns from `$?`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130
