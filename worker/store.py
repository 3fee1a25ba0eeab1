"""A worker's connection to the job store."""

from redis.backoff import NoBackoff
from redis.retry import Retry

from common.settings import Settings
from common.store import JobStore

# One retry for a pooled connection that the server closed meanwhile. More would hide an outage from callers that have
# a better use for the time: heartbeats must come at once when Redis is back, and a claim is not to be sent often.
RETRIES = 1


def connect_store(settings: Settings) -> JobStore:
    """Build a store whose calls fail soon when Redis is away; the connection opens on first use."""
    store = JobStore.connect(settings)
    store.client.set_retry(Retry(NoBackoff(), RETRIES))
    return store
