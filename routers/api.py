"""The FastAPI application: every resource's router, the document, and OpenAI's error object for everything."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from app.archive import Archive
from app.configuration import Configuration
from app.errors import BadRequest, Failure, UnknownPath, WrongMethod
from app.health import Doctor
from app.inventory import Inventory
from app.journal import Journal
from app.keys.granting import WantedGrant
from app.keys.keyring import Keyring
from app.keys.wanted import WantedKey
from app.memory.wanted import WantedScenes, WantedSearch
from app.metrics import Metrics
from app.readiness import Readiness
from app.registry import Registry
from app.relay import Relay
from app.reporter import Reporter
from app.setup import InForce
from app.users import UserHash
from app.version import VERSION
from routers import (
    admin,
    chat,
    completions,
    configuration,
    docs,
    embeddings,
    encoding,
    ephemeral,
    health,
    loras,
    messages,
    metrics,
    models,
    rerank,
    responses,
    route,
    scenes,
    tokens,
    usage,
)
from routers.visits import Visits

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, object]]]

CALLS = (chat, completions, embeddings, responses, messages, rerank, tokens)

SHOWN = (
    chat.ChatRequest,
    chat.ChatCompletionChunk,
    completions.CompletionRequest,
    embeddings.EmbeddingRequest,
    responses.ResponsesRequest,
    responses.ResponseEvent,
    messages.MessagesRequest,
    messages.CountTokensRequest,
    messages.MessageEvent,
    rerank.RerankRequest,
    tokens.TokenizeRequest,
    tokens.DetokenizeRequest,
    WantedGrant,
    WantedKey,
    admin.Rotation,
    configuration.Rollback,
    *loras.SHOWN,
    WantedScenes,
    WantedSearch,
    encoding.EncodeRequest,
    encoding.DecodeRequest,
)
"""Bodies and events that FastAPI does not meet in any signature, since the relay reads and writes them."""

KEY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
"""How a key is sent: as OpenAI's clients do, or as Anthropic's. None is needed in single-user mode."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routers speak for."""

    relay: Relay
    keys: Keyring
    registry: Registry
    inventory: Inventory
    in_force: InForce
    journal: Journal
    user_hash: UserHash
    configuration: Configuration
    doctor: Doctor
    readiness: Readiness
    metrics: Metrics | None
    reporter: Reporter
    archive: Archive


class Surface(FastAPI):
    """The application behind the door."""

    def openapi(self) -> dict[str, Any]:
        """The document, with the schemas of `SHOWN`; made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            _, shown = models_json_schema(
                [(model, "validation") for model in SHOWN], ref_template="#/components/schemas/{model}"
            )
            document["components"]["schemas"] |= shown["$defs"] | scenes.COMPONENTS
            document["components"]["securitySchemes"] = KEY_SCHEMES
            document["security"] = [{name: []} for name in KEY_SCHEMES] + [{}]
        return self.openapi_schema or {}


def build(parts: Parts, lifespan: Lifespan) -> FastAPI:
    """The surface with every resource on it."""
    app = Surface(
        title="HyperBridge API",
        version=VERSION,
        summary="One OpenAI-compatible door in front of many models.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.include_router(docs.router(app.title))
    app.router.routes.append(docs.static())
    for resource in CALLS:
        app.include_router(resource.router(parts.relay))
    app.include_router(models.router(parts.keys, parts.inventory, parts.in_force))
    app.include_router(route.router(parts.keys, parts.in_force, parts.journal, parts.user_hash))
    visits = Visits(parts.keys, parts.in_force, parts.journal)
    app.include_router(encoding.router(visits))
    app.include_router(scenes.router(visits, parts.archive))
    app.include_router(ephemeral.router(parts.keys, parts.registry))
    app.include_router(admin.router(parts.keys, parts.registry))
    app.include_router(configuration.router(parts.keys, parts.configuration))
    app.include_router(loras.router(parts.keys, parts.in_force))
    app.include_router(usage.router(parts.keys, parts.reporter))
    app.include_router(health.router(parts.doctor, parts.readiness))
    if parts.metrics is not None:
        app.include_router(metrics.router(parts.metrics))
    app.add_exception_handler(Failure, _tell)
    app.add_exception_handler(HTTPException, _tell_http)
    return app


async def _tell(_: Request, failure: Exception) -> Response:
    assert isinstance(failure, Failure)
    return Response(failure.body(), failure.status, dict(failure.headers), "application/json")


async def _tell_http(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, as error objects."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:256]
    if error.status_code == 405:
        allowed = (error.headers or {}).get("allow") or (error.headers or {}).get("Allow", "POST")
        return await _tell(request, WrongMethod(f"{path} takes {allowed}.", headers={"allow": allowed}))
    if error.status_code == 404:
        return await _tell(request, UnknownPath(f"There is no {path} here; /docs lists what there is."))
    return await _tell(request, BadRequest(str(error.detail)))
