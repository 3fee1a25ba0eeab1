"""What each caller may use: requests a minute and jobs not ended, with the headers that tell it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from api.settings import ApiSettings
from common.errors import RateLimitedError, UnavailableError
from common.request_rates import RequestQuota, take_request
from common.store import AsyncJobStore

POLICY = "requests"
WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whether a request fits its caller's rate, and the headers of its answer; `refusal` is to be raised."""

    headers: Mapping[str, str]
    refusal: RateLimitedError | None = None


UNLIMITED = Admitted({})


class RequestLimiter:
    """Counts requests by caller, however many keys it has, so that a second key doubles nothing."""

    def __init__(self, settings: ApiSettings, store: AsyncJobStore) -> None:
        self._settings = settings
        self._store = store

    async def admit(self, caller: str) -> Admitted:
        """Count a request; without Redis every request passes, as none that costs anything can be served then."""
        per_minute = self._settings.limits_of(caller).requests_per_minute
        if not per_minute:
            return UNLIMITED
        try:
            quota = await self._store.run(take_request(caller, per_minute))
        except UnavailableError:
            return UNLIMITED
        headers = rate_headers(per_minute, quota)
        if quota.admitted:
            return Admitted(headers)
        wait_s = max(1, math.ceil(quota.again_in_ms / 1000))
        words = f"This caller may make {per_minute} requests a minute. Try again in {wait_s} s."
        return Admitted(headers, RateLimitedError(words, wait_s))


def rate_headers(per_minute: int, quota: RequestQuota) -> dict[str, str]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers-10, and those that OpenAI's clients know."""
    full_s = math.ceil(quota.full_in_ms / 1000)
    return {
        "RateLimit-Policy": f'"{POLICY}";q={per_minute};w={WINDOW_S}',
        "RateLimit": f'"{POLICY}";r={quota.left};t={full_s}',
        "X-RateLimit-Limit-Requests": str(per_minute),
        "X-RateLimit-Remaining-Requests": str(quota.left),
        "X-RateLimit-Reset-Requests": f"{quota.full_in_ms}ms",
    }
