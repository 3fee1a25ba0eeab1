"""Every route that an application serves, so that a test about all of them misses no new one."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts


def every_route(app: FastAPI) -> set[tuple[str, str]]:
    """Return method and path template of each route; HEAD, which answers as GET does, is left out."""
    return {
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
        if method != "HEAD"
    }
