"""GET /v1/models: the names that a caller's key may ask for."""

import time
from collections.abc import Iterator, Mapping

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.contracts import Caller, ModelCard
from app.errors import UnknownModel
from app.inventory import Inventory, Stock
from app.keys import Callers
from app.setup import InForce
from routers.calls import failures


class ModelDetails(BaseModel):
    """What HyperBridge knows of a model."""

    upstream: str = Field(description="The upstream that answers.")
    model: str = Field(description="The upstream's own name for the model.")
    available: bool = Field(description="Whether the upstream answered when it was last asked.")
    context_tokens: int | None = Field(description="Context length in tokens, where the upstream says it.")


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

    async def listed(request: Request) -> Mapping[str, Model]:
        caller = keys.identify(dict(request.scope["headers"]))
        stocks = await inventory.stocks()
        return {each.id: each for each in _models(caller, in_force, stocks, created)}

    @routes.get("/v1/models", responses=failures(401, 403))
    async def list_models(request: Request) -> ModelList:
        """The configured names, then every upstream's own models as `upstream/model`."""
        return ModelList(data=list((await listed(request)).values()))

    @routes.get("/v1/models/{id:path}", responses=failures(401, 403, 404))
    async def retrieve_model(request: Request, id: str) -> Model:  # noqa: A002 - OpenAI's own name
        """One of them."""
        found = (await listed(request)).get(id)
        if found is None:
            raise UnknownModel(f"The model {id[:128]!r} does not exist.", param="model")
        return found

    return routes


def _models(caller: Caller, in_force: InForce, stocks: Mapping[str, Stock], created: int) -> Iterator[Model]:
    for alias, route in in_force.setup.routing.names(caller).items():
        stock = stocks.get(route.upstream, Stock())  # it may be newer than they are
        card = next((each for each in stock.cards if each.id == route.model), ModelCard(route.model))
        yield _model(alias, route.upstream, card, stock, created)
    for upstream, stock in stocks.items():
        for card in stock.cards:
            if caller.may_use(f"{upstream}/{card.id}"):
                yield _model(f"{upstream}/{card.id}", upstream, card, stock, created)


def _model(name: str, upstream: str, card: ModelCard, stock: Stock, created: int) -> Model:
    return Model(
        id=name,
        created=created,
        owned_by=upstream,
        parent=f"{upstream}/{card.parent}" if card.parent else None,
        hyperbridge=ModelDetails(
            upstream=upstream,
            model=card.id,
            available=stock.failure is None,
            context_tokens=card.context_tokens,
        ),
    )
