"""The queries of a collection, newest first, as values like those of common/operations.py."""

from common.bulk import BulkRun, run_from_fields
from common.operations import Operation

# A script holds Redis up meanwhile.
_ADOPTED_A_CALL = 200


def list_queries(
    collection_id: str, caller: str, below: str | None, most: int
) -> Operation[tuple[BulkRun, ...] | None]:
    """Read a page of a collection's queries below the id of the cursor; None while older ones are to be adopted."""
    return Operation(
        "run_list_queries",
        (collection_id, caller, below or "", most),
        lambda reply: None if reply is None else tuple(run_from_fields(fields) for fields in reply),
    )


def adopt_queries(caller: str, below: str) -> Operation[str]:
    """Enter some of a caller's queries from before collections listed their own, those below an id, at first ''.

    Answers the id to go on below, '' when all are entered; safe to repeat.
    """
    return Operation("run_adopt_queries", (caller, below, _ADOPTED_A_CALL), str)
