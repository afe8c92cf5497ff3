"""/admin/loras: which adapters each fleet has, where, and what they are asked to become."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from app.config.settings import Settings
from app.contracts import Source
from app.errors import AdapterMissing
from app.fleet.seen import FleetSeen, FleetView, State
from app.keys import Callers
from app.setup import InForce
from routers import bodies
from routers.admin import administrators
from routers.calls import asked, failures

AdapterName = Annotated[str, Field(min_length=1, max_length=200)]


class Replica(BaseModel):
    """One server of a fleet, as this worker knows it."""

    where: str
    reachable: bool
    ready: bool = Field(description="Whether it has all of the adapters that it shall have.")
    quiet: bool = Field(description="Whether it gets no calls, so that it can be given an adapter.")
    in_flight: int = Field(description="Calls that this worker has there.")
    pending_tokens: int = Field(description="Tokens of prompts that it has not read yet, about.")
    kv_usage: float = Field(description="Share of its KV cache in use, from 0 to 1.")
    adapters: dict[str, str] = Field(
        description="Versions that may be called there, and where it is taken to have each: gpu, cpu or disk."
    )
    refused: dict[str, str] = Field(description="Versions that it did not take, and why.")


class Adapter(BaseModel):
    """One version of an adapter."""

    name: str = Field(description="What the servers call it: `id@` and eight digits of its hash.")
    id: str
    state: State
    aliases: list[str] = Field(description="The names that mean it now.")
    pinned: bool
    rank: int
    base: str
    wanted_on: list[str]
    ready_on: list[str]
    told: str = Field(description="What is wrong, where something is.")


class Alias(BaseModel):
    """What a name means."""

    version: str
    next: str = Field(description="The version that it is moving to; empty where it is not.")
    before: str = Field(description="The version that it meant before.")
    fault: str = Field(description="Why the last move was given up; empty where it was not.")


class Fleet(BaseModel):
    """The adapters of one upstream."""

    upstream: str
    replicas: list[Replica]
    adapters: list[Adapter]
    aliases: dict[str, Alias]
    waiting: int = Field(description="Calls that wait in this worker for room.")
    faults: dict[str, list[str]] = Field(description="Folders whose adapter cannot be served, and why.")
    fault: str = Field(description="Why the folder or the database could not be read the last time.")


class FleetList(BaseModel):
    object: str = "list"
    data: list[Fleet]


class Named(Settings):
    """A version, or an alias where that makes sense."""

    name: AdapterName = Field(description="`id@version`, or an alias")


class Pinned(Named):
    pinned: bool = Field(default=True, description="on every server; false: on as many as its calls need")


class Rolled(Settings):
    """Where an alias goes."""

    alias: AdapterName = Field(description="the name that clients use")
    name: AdapterName | None = Field(
        default=None, description="the version that it shall mean; null is the one that it meant before"
    )


SHOWN = (Named, Pinned, Rolled)


def router(keys: Callers, in_force: InForce) -> APIRouter:
    routes = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(administrators(keys))])
    refusals = failures(400, 401, 403, 404, 409, 413, 415, 503)

    def fleet(upstream: str) -> FleetView:
        return _fleet(in_force.setup.sources, upstream)

    @routes.get("/loras", responses=failures(401, 403))
    async def list_loras() -> FleetList:
        """Every fleet that is given adapters: its servers, its adapters, and what names mean."""
        found = ((name, source.fleet) for name, source in in_force.setup.sources.items())
        return FleetList(data=[_told(name, view.seen()) for name, view in found if view is not None])

    @routes.post("/loras/{upstream}/load", responses=refusals, openapi_extra=asked(Named))
    async def load_lora(request: Request, upstream: str) -> Fleet:
        """Have a version of the folder on the servers, whatever aliases mean. One that was refused is tried again."""
        view = fleet(upstream)
        await view.load((await bodies.read(request, Named)).name)
        return _told(upstream, view.seen())

    @routes.post("/loras/{upstream}/unload", responses=refusals, openapi_extra=asked(Named))
    async def unload_lora(request: Request, upstream: str) -> Fleet:
        """Take a version off the servers when its calls have ended; or an alias, with all that it means."""
        view = fleet(upstream)
        await view.unload((await bodies.read(request, Named)).name)
        return _told(upstream, view.seen())

    @routes.post("/loras/{upstream}/pin", responses=refusals, openapi_extra=asked(Pinned))
    async def pin_lora(request: Request, upstream: str) -> Fleet:
        """Have a version on every server, or on as many as its calls need."""
        view = fleet(upstream)
        wanted = await bodies.read(request, Pinned)
        await view.pin(wanted.name, pinned=wanted.pinned)
        return _told(upstream, view.seen())

    @routes.post("/loras/{upstream}/roll", responses=refusals, openapi_extra=asked(Rolled))
    async def roll_lora(request: Request, upstream: str) -> Fleet:
        """Let an alias mean another version as soon as that one is ready; or the one before."""
        view = fleet(upstream)
        wanted = await bodies.read(request, Rolled)
        if wanted.name is None:
            await view.back(wanted.alias)
        else:
            await view.roll(wanted.alias, wanted.name)
        return _told(upstream, view.seen())

    return routes


def _fleet(sources: Mapping[str, Source], upstream: str) -> FleetView:
    found = sources.get(upstream)
    if found is None or found.fleet is None:
        known = ", ".join(name for name, source in sources.items() if source.fleet is not None) or "none"
        raise AdapterMissing(f"The upstream {upstream[:64]!r} is given no adapters. Those that are: {known}.")
    return found.fleet


def _told(upstream: str, seen: FleetSeen) -> Fleet:
    told: dict[str, Any] = asdict(seen)
    return Fleet.model_validate({**told, "upstream": upstream})
