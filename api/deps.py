"""What routes ask for, as Annotated aliases.

One dependency a route: the framework takes its time to solve each.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.collection_service import CollectionService
from api.gateway import Gateway
from api.query_service import QueryService
from api.service import JobService


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who calls, and the parts of this process that answer."""

    caller: str
    gateway: Gateway

    @property
    def jobs(self) -> JobService:
        """The job service."""
        return self.gateway.service

    @property
    def collections(self) -> CollectionService:
        """The collection service."""
        return self.gateway.collections

    @property
    def queries(self) -> QueryService:
        """The query service."""
        return self.gateway.queries


def get_gateway(request: Request) -> Gateway:
    """Return the parts of this process."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def authenticated_caller(request: Request) -> str:
    """Return who is calling; raises UnauthorizedError."""
    known: str | None = getattr(request.state, "caller", None)
    if known is None:
        known = get_gateway(request).authenticator.caller(request.headers.get("authorization"))
        request.state.caller = known
    return known


async def call_context(request: Request) -> CallContext:
    """Return caller and parts; raises UnauthorizedError."""
    return CallContext(authenticated_caller(request), get_gateway(request))


async def gateway_parts(request: Request) -> Gateway:
    """Return the parts of this process, for routes that are open to all."""
    return get_gateway(request)


Call = Annotated[CallContext, Depends(call_context)]
Parts = Annotated[Gateway, Depends(gateway_parts)]
