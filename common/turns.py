"""Turns of clients that found a lane full, kept in Redis so that all gateways tell times one after the other."""

from common.jobs import Lane
from common.operations import Operation

LONGEST_WAIT_S = 3600


def take_turn(lane: Lane, turn: str, max_backlog_tokens: int, tokens_per_second: float) -> Operation[int]:
    """Promise room to a refused job, `turn` of its Submission; answers the seconds after which to come back."""
    return Operation("take_turn", (lane, turn, max_backlog_tokens, tokens_per_second, LONGEST_WAIT_S), int)
