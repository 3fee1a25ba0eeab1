"""How many requests a caller may make, counted in Redis so that all gateways share one count."""

from dataclasses import dataclass

from common.operations import Operation


@dataclass(frozen=True, slots=True)
class RequestQuota:
    """What a caller has left: whether this request fits, how many more do, and the times until all and one do."""

    admitted: bool
    left: int
    full_in_ms: int
    again_in_ms: int


def take_request(caller: str, per_minute: int) -> Operation[RequestQuota]:
    """Count one request; a quiet caller may make a minute's worth at once, then one each 60/`per_minute` seconds."""
    return Operation("request_rate", (caller, per_minute), _read_quota)


def _read_quota(reply: list[int]) -> RequestQuota:
    admitted, left, full_in_ms, again_in_ms = (int(number) for number in reply)
    return RequestQuota(bool(admitted), left, full_in_ms, again_in_ms)
