"""What the router's encoder makes of many texts: its upstream is asked without a gateway, for training and measuring."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from adapters import building
from app import config
from app.attempts import Upstreams
from app.codecs.identity import Identity
from app.config.schema import split_route
from app.contracts import Call, Caller, CannotStart, Plan
from app.encoder import Encoder, plan_of
from app.errors import Failure
from app.operations import EMBEDDINGS
from app.prices import prices
from app.routing.configured import ENCODER
from app.wire import Members, Request

BATCH = 32
"""Texts of one request: servers take at least that many."""
BATCH_SECONDS = 120.0
_TOLD_EVERY = 10
_NOTHING = Request(Members.of(b"{}"), "", stream=False, include_usage=False)


def embedded(
    settings: config.Config,
    name: str,
    dimensions: int | None,
    texts: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[str, Sequence[Sequence[float]]]:
    """The model behind this name, and its vector of each text, of so many dimensions or as many as it has.

    `tell` hears how far it is. Raises ValueError, which says why there are none.
    """
    upstream, model = split_route(name)
    if name not in settings.models and not (model and upstream in settings.upstreams):
        raise ValueError(f"{name!r} is neither a name of `models` nor upstream/model")
    try:
        return asyncio.run(_embedded(settings, name, dimensions, texts, tell))
    except (Failure, CannotStart) as error:
        raise ValueError(f"the encoder {name!r} made no vectors: {error}") from None


async def _embedded(
    settings: config.Config,
    name: str,
    dimensions: int | None,
    texts: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[str, Sequence[Sequence[float]]]:
    upstreams = Upstreams(building.sources(settings), Identity())
    plan = plan_of(name, settings, upstreams)
    encoder = Encoder(plan, dimensions, upstreams, prices(settings))
    found: list[Sequence[float]] = []
    async with _started(plan, upstreams):
        for start in range(0, len(texts), BATCH):
            found += await encoder.vectors(texts[start : start + BATCH], _call(), BATCH_SECONDS)
            if start // BATCH % _TOLD_EVERY == 0 or len(found) == len(texts):
                tell(f"{len(found)} of {len(texts)} vectors")
    if len({len(each) for each in found}) != 1:
        raise ValueError(f"the encoder {name!r} made vectors of different lengths")
    return plan.routes[0].model, found


@asynccontextmanager
async def _started(plan: Plan, upstreams: Upstreams) -> AsyncGenerator[None]:
    """Hold what the plan asks."""
    sources = [upstreams.sources[name] for name in dict.fromkeys(route.upstream for route in plan.routes)]
    try:
        for source in sources:
            await source.start()
        yield
    finally:
        for source in upstreams.sources.values():
            await source.close()


def _call() -> Call:
    return Call("", EMBEDDINGS, _NOTHING, Caller(ENCODER), (), 0.0)
