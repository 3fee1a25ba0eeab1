"""API keys: made here, stored by the service as hashes only."""

import hashlib
import re
import secrets

from common.errors import ConfigurationError

KEY_PREFIX = "fl_"
_CALLER = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_api_key(caller: str) -> tuple[str, str]:
    """Return a new key of 256 random bits and its entry for FINANCELLM_API_KEY_HASHES, `caller=sha256hex`.

    Raises ConfigurationError for a caller name the service would refuse.
    """
    if not _CALLER.fullmatch(caller):
        raise ConfigurationError(f"{caller!r} cannot name a caller: use 1 to 64 letters, digits, dots, dashes and _.")
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key, f"{caller}={hashlib.sha256(key.encode()).hexdigest()}"
