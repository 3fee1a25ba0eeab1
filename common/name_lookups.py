"""Look-ups of webhook hosts off the event loop: a name that is slow delays only those who wait for it."""

import asyncio
import threading
from concurrent.futures import Future

from common.errors import WebhookTargetError
from common.webhook_targets import FIELD, Resolver, TargetPolicy, WebhookTarget, check_addresses, resolve

LOOKUP_TIMEOUT_S = 5.0
# A look-up that hangs lasts half a minute with usual resolvers; a worker begins 32 of them in ten seconds at most.
MOST_LOOKUPS = 128
FULL_POLL_S = 0.05

Addresses = tuple[str, ...]


class NameLookups:
    """Looks up each name in a thread of its own, once for all who ask meanwhile, `most` names at a time.

    The system's look-up cannot be broken off: one that nobody waits for any more goes on alone and keeps its place.
    """

    def __init__(
        self, resolver: Resolver = resolve, timeout_s: float = LOOKUP_TIMEOUT_S, most: int = MOST_LOOKUPS
    ) -> None:
        self._resolver = resolver
        self._timeout_s = timeout_s
        self._most = most
        self._under_way: dict[str, Future[Addresses]] = {}
        self._lock = threading.Lock()

    async def allowed_addresses(self, target: WebhookTarget, policy: TargetPolicy) -> Addresses:
        """Return the addresses a delivery may connect to.

        Raises WebhookTargetError if there are none, the look-up takes too long or any of them is refused.
        """
        host = repr(target.host[:255])
        try:
            async with asyncio.timeout(self._timeout_s):
                addresses = await self._addresses(target.host, target.port)
        except TimeoutError as error:
            late = f"The host {host} was not resolved within {self._timeout_s:g} s; check the name or try again."
            raise WebhookTargetError(late, FIELD) from error
        except (OSError, UnicodeError) as error:
            missing = f"The host {host} cannot be resolved; check the name or try again."
            raise WebhookTargetError(missing, FIELD) from error
        check_addresses(target, addresses, policy)
        return addresses

    async def _addresses(self, host: str, port: int) -> Addresses:
        while True:
            found = self._look_up(host, port)
            if found is not None:
                return await asyncio.wrap_future(found)
            # Polled, since those who wait may do so in several event loops.
            await asyncio.sleep(FULL_POLL_S)

    def _look_up(self, host: str, port: int) -> Future[Addresses] | None:
        """Return the look-up of a name that is under way or begins now, None while there is no room for another."""
        with self._lock:
            if host in self._under_way or len(self._under_way) >= self._most:
                return self._under_way.get(host)
            found: Future[Addresses] = Future()
            # Marked as begun, so that one who gives up cannot cancel it for the others.
            found.set_running_or_notify_cancel()
            found.add_done_callback(lambda _: self._forget(host))
            # A daemon, as a process that ends must not wait for it.
            threading.Thread(target=self._run, args=(host, port, found), name=f"look-up {host}", daemon=True).start()
            self._under_way[host] = found
        return found

    def _run(self, host: str, port: int, found: Future[Addresses]) -> None:
        try:
            found.set_result(self._resolver(host, port))
        except Exception as error:
            found.set_exception(error)

    def _forget(self, host: str) -> None:
        with self._lock:
            del self._under_way[host]
