"""The composition root: the only module that builds the others."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.building import sources as build_sources
from app import config
from app.attempts import Upstreams
from app.bounds import Bounds
from app.breaker import Circuit
from app.codecs import Identity
from app.contracts import Caller, Limiter, Queue, Source
from app.door import Door
from app.exchange import Exchange
from app.health import Doctor
from app.inventory import Inventory
from app.journal import Journal
from app.keeping import Keeping
from app.keys.grants import SECRET_BYTES, Signer
from app.keys.keyring import Keyring
from app.limits import opening
from app.limits.counters import Counters
from app.limits.limited import Limited
from app.logs import ExchangeLog
from app.metrics import Metrics, Watched, collect_stale_gauges
from app.prices import Prices, prices
from app.prompt_hash import PromptHash
from app.readiness import READINESS, Readiness
from app.registry import Registry
from app.relay import Relay
from app.reporter import Reporter
from app.routing.configured import defaults, plans
from app.routing.fixed import Fixed
from app.sink import Sink
from app.users import UserHash
from routers import api

CLOSING_SECONDS = 1.0
"""How long a stop waits for calls that it has ended: what they used is written when their records are closed, and
before that each tells its client.
"""


def create_app(  # noqa: PLR0913 - what a worker is given
    settings: config.Config,
    sink: Sink,
    *,
    hash_key: str = "",
    signing_key: str = "",
    limiter: Limiter | None = None,
    workers: int | None = None,
) -> Door:
    """The gateway as one ASGI application; its lifespan opens and closes what it needs."""
    metrics = Metrics()
    counters = opening.counters(settings, workers or settings.server.workers, metrics.answered)
    sources = build_sources(settings, counters.budgets)
    keeping = Keeping(settings.store, metrics.unwritten)
    journal = Journal([metrics.read, ExchangeLog(sink).read, *keeping.readers])
    readiness = Readiness()
    inventory = Inventory(sources)
    costs = prices(settings)
    signer = Signer(signing_key.encode() or secrets.token_bytes(SECRET_BYTES))
    keys = Keyring(_callers(settings), signer, settings.server.cors_origins)
    registry = Registry(settings, keys, keeping.store, signs=not signing_key)
    routing = Fixed(plans(settings), defaults(settings))
    relay = Relay(
        Exchange(
            limiter or _limited(settings, counters.limits, metrics, costs),
            routing,
            costs,
            Upstreams(sources, Identity()),
        ),
        keys,
        journal,
        PromptHash(hash_key, enabled=settings.logs.prompt_hash),
        readiness=readiness,
        user_hash=UserHash(hash_key),
        bounds=_bounds(settings),
        max_body_bytes=settings.server.max_body_bytes,
        heartbeat_seconds=settings.server.heartbeat_seconds,
    )

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[Mapping[str, object]]:
        collect_stale_gauges()
        async with AsyncExitStack() as held:
            await held.enter_async_context(keeping.held())
            await held.enter_async_context(registry.held())
            held.push_async_callback(counters.stop)
            await counters.start()
            for source in sources.values():
                held.push_async_callback(source.close)
                await source.start()
            watch = asyncio.ensure_future(
                metrics.watch(
                    Watched(
                        in_flight=lambda: journal.open_records,
                        connections=lambda: _connections(sources),
                        lost_lines=lambda: sink.lost,
                        circuits=lambda: _circuits(sources),
                        redis_gone=counters.gone,
                        queues=lambda: _queues(sources),
                    )
                )
            )
            held.callback(watch.cancel)
            readiness.ready = True
            yield {READINESS: readiness}
            readiness.ready = False
            await _closed(journal)

    surface = api.build(
        api.Parts(
            relay=relay,
            keys=keys,
            registry=registry,
            inventory=inventory,
            routing=routing,
            doctor=Doctor(
                inventory,
                lambda: sink.lost,
                lambda: _circuits(sources),
                counters.gone,
                (*keeping.checks, *registry.checks),
            ),
            readiness=readiness,
            metrics=metrics if settings.metrics.enabled else None,
            reporter=Reporter(keeping.usage, settings.store.flush_seconds, costs.version),
        ),
        lifespan,
    )
    return Door(relay, surface, settings.server.cors_origins)


async def _closed(journal: Journal) -> None:
    """Until the record of every call is closed, or the time for that is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_SECONDS):
            while journal.open_records:  # noqa: ASYNC110 - the journal tells nobody that it is empty
                await asyncio.sleep(0.01)


def _limited(settings: config.Config, counters: Counters, metrics: Metrics, costs: Prices) -> Limited:
    return Limited(
        opening.rules(settings), counters, settings.limits.output_tokens, costs.cost, metrics.refused
    )


def _bounds(settings: config.Config) -> Bounds:
    server = settings.server
    of_models = {
        alias: model.max_prompt_tokens
        for alias, model in settings.models.items()
        if model.max_prompt_tokens is not None
    }
    return Bounds(server.max_depth, server.max_messages, server.max_prompt_tokens, of_models)


def _callers(settings: config.Config) -> Mapping[str, Caller]:
    """The keys of the file: who they are, by digest."""
    return {
        key.sha256: Caller(
            key.id, key.allowed, key.limits.allowance, key.priority, key.weight, admin=key.admin
        )
        for key in settings.keys
    }


def _circuits(sources: Mapping[str, Source]) -> Mapping[str, Sequence[Circuit]]:
    return {name: source.circuits() for name, source in sources.items()}


def _queues(sources: Mapping[str, Source]) -> Mapping[str, Queue]:
    return {name: queue for name, source in sources.items() if (queue := source.queue()) is not None}


def _connections(sources: Mapping[str, Source]) -> list[tuple[str, int]]:
    return [(name, source.connections()) for name, source in sources.items()]
