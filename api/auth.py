"""Who is calling: API keys as bearer tokens, of which only hashes are configured."""

import hashlib
import hmac
from collections.abc import Sequence

from api.settings import LOCAL_CALLER
from common.errors import UnauthorizedError

_SCHEME = "bearer"


class Authenticator:
    """Names the caller of a request."""

    def __init__(self, key_hashes: Sequence[tuple[str, bytes]]) -> None:
        self._key_hashes = tuple(key_hashes)

    def caller(self, authorization: str | None) -> str:
        """Return the caller behind an Authorization header; raises UnauthorizedError.

        Without configured keys everyone is `local`: the gateway then listens on loopback only.
        """
        if not self._key_hashes:
            return LOCAL_CALLER
        if authorization is None:
            raise UnauthorizedError("This service needs an API key: send `Authorization: Bearer KEY`.")
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != _SCHEME or not key.strip():
            raise UnauthorizedError("The Authorization header must read `Bearer KEY`.")
        return self._caller_of(hashlib.sha256(key.strip().encode("latin-1", "replace")).digest())

    def _caller_of(self, digest: bytes) -> str:
        found = None
        # Every hash is compared, in constant time each, so that timing tells nothing about which came close.
        for caller, expected in self._key_hashes:
            if hmac.compare_digest(digest, expected):
                found = caller
        if found is None:
            raise UnauthorizedError("The API key is not known here.")
        return found
