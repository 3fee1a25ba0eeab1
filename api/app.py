"""The gateway as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from api.errors import install_error_handlers
from api.gateway import Gateway
from api.middleware import RequestFrame
from api.permits import SendPermit
from api.responses import drop_framework_errors, drop_security, use_problem_media_type
from api.route import SECURITY_SCHEME
from api.routes import batches, chat, collections, files, health, jobs, overview, page, queries
from api.settings import ApiSettings
from common.store import AsyncJobStore
from common.webhook_targets import Resolver, resolve

DESCRIPTION = """
Answers finance questions over company disclosures with a small tuned model on CPUs.

Submit a question as a job, then poll it, wait for it (`Prefer: wait` or `?wait=`), follow its events, or have a webhook
called. An accepted job is never lost: it ends as `succeeded`, `failed`, `cancelled` or `expired`, once.

Every error is a problem document (RFC 9457) with a stable `code`. Unknown fields and parameters are refused.
Answers 429 and 503 carry `Retry-After`. Every answer carries `X-Request-ID`, which the logs know.
"""
TAGS = [
    {"name": "jobs", "description": "Questions and their answers."},
    {"name": "collections", "description": "Reports to ask about."},
    {"name": "queries", "description": "Questions over reports, and the tables of their answers."},
    {"name": "files", "description": "Inputs and outputs of batches, as OpenAI clients know them."},
    {"name": "batches", "description": "Many chat requests in one file, as OpenAI clients know them."},
    {"name": "openai", "description": "What OpenAI's clients call."},
    {"name": "service", "description": "Health, metrics and models."},
]

KEY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "`Authorization: Bearer KEY`",
}


class GatewayApp(FastAPI):
    """FastAPI whose description names problem documents by their media type, and keys where they are needed."""

    def openapi(self) -> dict[str, Any]:
        """Return the API's description, made once."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        description = super().openapi()
        use_problem_media_type(description)
        drop_framework_errors(description)
        if self.state.gateway.settings.key_hashes:
            description["components"]["securitySchemes"] = {SECURITY_SCHEME: KEY_SCHEME}
        else:
            drop_security(description)
        return description


def create_app(
    settings: ApiSettings,
    store: AsyncJobStore | None = None,
    send: SendPermit | None = None,
    resolver: Resolver = resolve,
) -> FastAPI:
    """Build the application; its parts are at `app.state.gateway` and run for its lifespan.

    `store` and `send` replace the connections that the settings name, `resolver` the look-up of webhook hosts.
    """
    gateway = Gateway.build(settings, store, send, resolver)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with gateway.running():
            yield

    app = GatewayApp(
        title="FinanceLLM",
        version=version("financellm"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        docs_url=None,
        middleware=[
            Middleware(
                RequestFrame,
                metrics=gateway.metrics,
                allowed_hosts=settings.allowed_hosts,
                has_keys=bool(settings.key_hashes),
            )
        ],
    )
    app.state.gateway = gateway
    install_error_handlers(app)
    app.include_router(jobs.router)
    app.include_router(collections.router)
    app.include_router(queries.router)
    app.include_router(files.router)
    app.include_router(batches.router)
    app.include_router(chat.router)
    app.include_router(overview.router)
    app.include_router(health.guarded)
    app.include_router(health.router)
    app.include_router(page.router)
    return app
