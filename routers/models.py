"""GET /v1/models: the names that a caller's key may ask for, and what is known of what answers."""

import time
from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app import price_table
from app.errors import UnknownModel
from app.health import State
from app.inventory import Inventory
from app.keys import Callers
from app.roster import Known, Roster, by_name
from app.routing import catalogue
from app.routing.nearest import nearest
from app.setup import InForce
from routers.calls import failures


class Price(BaseModel):
    """US dollars a million tokens."""

    input: float
    output: float
    cached: float


class Upstream(BaseModel):
    """One of the places that answer, in the order in which they are asked."""

    upstream: str
    model: str = Field(description="The upstream's own name for the model.")
    health: State = Field(description="By its circuits, and by whether it listed its models.")


class ModelDetails(BaseModel):
    """What HyperBridge knows of a model."""

    upstream: str = Field(description="The upstream that answers.")
    model: str = Field(description="The upstream's own name for the model.")
    available: bool = Field(description="Whether the upstream answered when it was last asked.")
    upstreams: list[Upstream]
    health: State = Field(description="Healthy where all of them are, unhealthy where none of them answers.")
    names: list[str] = Field(description="Other names that mean the same.")
    context_tokens: int | None = Field(
        description="Context length in tokens, as the upstream says it, or else the catalogue."
    )
    strengths: dict[str, float] = Field(
        description="What it is good at, from 0 to 5; empty where nobody knows."
    )
    speed: int | None = Field(description="From 1 to 5.")
    quality: int | None = Field(description="From 1 to 5.")
    modalities: list[str] | None = Field(description="What it takes: text, image, video.")
    tools: bool | None = Field(description="Whether it calls tools.")
    thinking: Literal["never", "always", "switch"] | None = Field(
        description="Whether it thinks before it answers; `switch`: as it is asked to."
    )
    retired: bool = Field(description="The upstream answers, and does not list the model.")
    successor: str | None = Field(description="What the upstream has in the place of a retired one.")
    price: Price | None


class Model(BaseModel):
    """A name that `model` may be in a request."""

    id: str
    object: str = "model"
    created: int
    owned_by: str
    parent: str | None = Field(default=None, description="The base model of a LoRA adapter.")
    hyperbridge: ModelDetails


class ModelList(BaseModel):
    object: str = "list"
    data: list[Model]


def router(keys: Callers, inventory: Inventory, in_force: InForce) -> APIRouter:
    routes = APIRouter(tags=["models"])
    created = int(time.time())

    async def known(request: Request) -> Sequence[Known]:
        caller = keys.identify(dict(request.scope["headers"]))
        stocks = await inventory.stocks()
        roster = Roster(in_force.setup, stocks, inventory.listed(), catalogue.shipped())
        return list(roster.of(caller))

    @routes.get("/v1/models", responses=failures(401, 403))
    async def list_models(request: Request) -> ModelList:
        """The configured names, then every upstream's own models as `upstream/model`."""
        return ModelList(data=[_model(each, created) for each in await known(request)])

    @routes.get("/v1/models/{id:path}", responses=failures(401, 403, 404))
    async def retrieve_model(request: Request, id: str) -> Model:  # noqa: A002 - OpenAI's own name
        """One of them, by any of its names."""
        found = by_name(await known(request))
        if id not in found:
            near = " or ".join(map(repr, nearest(id, found)))
            hint = f" Did you mean {near}?" if near else ""
            raise UnknownModel(f"The model {id[:128]!r} does not exist.{hint}", param="model")
        return _model(found[id], created)

    return routes


def _model(known: Known, created: int) -> Model:
    upstream = known.places[0].upstream
    parent = known.card.parent
    return Model(
        id=known.id,
        created=created,
        owned_by=upstream,
        parent=f"{upstream}/{parent}" if parent else None,
        hyperbridge=_details(known),
    )


def _details(known: Known) -> ModelDetails:
    entry, first = known.entry, known.places[0]
    return ModelDetails(
        upstream=first.upstream,
        model=first.model,
        available=known.available,
        upstreams=[
            Upstream(upstream=each.upstream, model=each.model, health=each.health) for each in known.places
        ],
        health=known.health,
        names=list(known.names),
        context_tokens=known.context_tokens,
        strengths={} if entry is None else {str(task): stars for task, stars in entry.strengths.items()},
        speed=None if entry is None else entry.speed,
        quality=None if entry is None else entry.quality,
        modalities=None if known.modalities is None else list(known.modalities),
        tools=known.tools,
        thinking=None if entry is None else entry.thinking,
        retired=known.missing is not None,
        successor=None if known.missing is None else known.missing.successor or None,
        price=None if known.price is None else _price(known.price),
    )


def _price(price: price_table.Price) -> Price:
    dollar = price_table.PICO
    return Price(input=price.input / dollar, output=price.output / dollar, cached=price.cached / dollar)
