"""The FastAPI application: every resource's router, the document, and OpenAI's error object for everything."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from app.errors import BadRequest, Failure, UnknownPath, WrongMethod
from app.health import Doctor
from app.inventory import Inventory
from app.keys import Keys
from app.metrics import Metrics
from app.readiness import Readiness
from app.relay import Relay
from app.routing.fixed import Fixed
from app.version import VERSION
from routers import health, metrics, models

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routers speak for."""

    relay: Relay
    keys: Keys
    inventory: Inventory
    routing: Fixed
    doctor: Doctor
    readiness: Readiness
    metrics: Metrics | None


def build(parts: Parts, lifespan: Lifespan) -> FastAPI:
    """The application behind the door."""
    app = FastAPI(
        title="HyperBridge API",
        version=VERSION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.include_router(models.router(parts.keys, parts.inventory, parts.routing))
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
    if error.status_code == 405:  # noqa: PLR2004
        allowed = (error.headers or {}).get("allow") or (error.headers or {}).get("Allow", "POST")
        return await _tell(request, WrongMethod(f"{path} takes {allowed}.", headers={"allow": allowed}))
    if error.status_code == 404:  # noqa: PLR2004
        return await _tell(request, UnknownPath(f"There is no {path} here; /docs lists what there is."))
    return await _tell(request, BadRequest(str(error.detail)))
