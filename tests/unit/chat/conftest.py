"""The gateway's fixtures, for its OpenAI surface."""

from tests.unit.gateway.conftest import client, make_app, make_client, permits, redis_server, worker_store

__all__ = ["client", "make_app", "make_client", "permits", "redis_server", "worker_store"]
