"""The composition root: the only module that builds the others."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from app import config, fleets
from app.archive import Archive
from app.background import background
from app.breaker import Circuit
from app.canaries import Canaries
from app.configuration import Configuration, Origin
from app.contracts import Caller, Limiter, Queue, Source
from app.door import Door
from app.fleet.seen import FleetSeen
from app.health import Check, Doctor
from app.inventory import Inventory
from app.journal import Journal
from app.keeping import Keeping
from app.keys.grants import SECRET_BYTES, Signer
from app.keys.keyring import Keyring
from app.limits import opening
from app.logs import ExchangeLog
from app.metrics import Metrics, Watched, collect_stale_gauges
from app.missing import Roll
from app.noting import Noting
from app.readiness import READINESS, Readiness
from app.registry import Registry
from app.relay import Relay
from app.remembers import Remembers, pins_of
from app.reporter import Reporter
from app.routing import catalogue
from app.setup import InForce, Setup
from app.setups import Setups
from app.shadowing import Shadowing
from app.sink import Sink
from app.swapping import Swapping
from app.users import UserHash
from routers import api

CLOSING_SECONDS = 1.0
"""How long a stop waits for calls that it has ended: what they used is written when their records are closed, and
before that each tells its client.
"""


def create_app(  # noqa: PLR0913 - what a worker is given
    settings: config.Config,
    sink: Sink,
    origin: Origin,
    *,
    hash_key: str = "",
    signing_key: str = "",
    limiter: Limiter | None = None,
    workers: int | None = None,
    replaces: bool = False,
) -> Door:
    """The gateway as one ASGI application; its lifespan opens and closes what it needs.

    The settings are those of the file, which is looked at from then on.
    One that replaces a worker that died starts without its database, too, and waits for it.
    """
    metrics = Metrics()
    counters = opening.counters(settings, workers or settings.server.workers, metrics.answered)
    signer = Signer(signing_key.encode() or secrets.token_bytes(SECRET_BYTES))
    keys = Keyring(_callers(settings), signer, settings.server.cors_origins)
    keeping = Keeping(settings.store, metrics.unwritten, waits=replaces)
    inventory = Inventory(
        lambda: in_force.setup.sources, lambda: in_force.setup.settings.router.catalogue_seconds
    )
    shadowing = Shadowing(
        lambda: in_force.term,
        [metrics.read_aside, ExchangeLog(sink, "shadow").read, *keeping.readers],
        keeping.compared,
        metrics.splits.count_shadow,
    )
    archive = Archive(keeping.memory)
    remembers = Remembers(archive, Noting(archive, metrics.recalls.remembered), pins_of(keeping.store))
    setups = Setups(
        counters,
        metrics,
        hash_key,
        limiter,
        shared=keeping.fleets,
        listed=inventory.listed,
        shadowed=shadowing.begin,
        encoded=[metrics.read_aside, ExchangeLog(sink, "encoder").read, *keeping.readers],
        remembering=remembers,
    )
    canaries = Canaries(lambda: in_force.setup.routing.canaries)
    learning = [setups.speeds.read, setups.conversations.read, canaries.read]
    readers = [metrics.read, ExchangeLog(sink).read, *learning, *keeping.readers]
    lasting = _Lasting(
        sink=sink,
        metrics=metrics,
        counters=counters,
        keeping=keeping,
        journal=Journal(readers),
        keys=keys,
        registry=Registry(settings, keys, keeping.store, signs=not signing_key, waits=replaces),
        inventory=inventory,
        canaries=canaries,
        shadowing=shadowing,
        remembers=remembers,
    )
    in_force = InForce(setups.of(settings))
    return _Gateway(lasting, setups, in_force, origin, UserHash(hash_key)).door


@dataclass(frozen=True, slots=True)
class _Lasting:
    """What no other configuration changes while the process runs."""

    sink: Sink
    metrics: Metrics
    counters: opening.Opening
    keeping: Keeping
    journal: Journal
    keys: Keyring
    registry: Registry
    inventory: Inventory
    canaries: Canaries
    shadowing: Shadowing
    remembers: Remembers
    readiness: Readiness = field(default_factory=Readiness)


class _Gateway:
    """One worker: what lasts, around the setup in force."""

    def __init__(
        self, lasting: _Lasting, setups: Setups, in_force: InForce, origin: Origin, user_hash: UserHash
    ) -> None:
        self._lasting = lasting
        self._setups = setups
        self._in_force = in_force
        self._roll = Roll(
            lambda: in_force.setup.settings,
            catalogue.shipped(),
            lasting.metrics.models.read,
        )
        self._swapping = Swapping(self._made, in_force, [self._reconfigured])
        self._configuration = Configuration(origin, self._swapping, in_force, lasting.metrics.configuration)
        relay = Relay(self._in_force, lasting.keys, lasting.journal, lasting.readiness, user_hash)
        surface = api.build(self._parts(relay, user_hash), self._lifespan)
        self.door = Door(relay, surface, in_force.setup.settings.server.cors_origins)

    @property
    def _sources(self) -> Mapping[str, Source]:
        return self._in_force.setup.sources

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncGenerator[Mapping[str, object]]:
        lasting = self._lasting
        collect_stale_gauges()
        async with AsyncExitStack() as held:
            await held.enter_async_context(lasting.keeping.held())
            await held.enter_async_context(lasting.registry.held())
            await held.enter_async_context(lasting.remembers.noting.held())
            held.push_async_callback(lasting.counters.stop)
            await lasting.counters.start()
            await held.enter_async_context(self._swapping.held())
            await held.enter_async_context(lasting.shadowing.held())
            await held.enter_async_context(self._configuration.held())
            await held.enter_async_context(lasting.inventory.held(self._roll.call))
            measuring = background(lasting.metrics.watch(self._watched()), "nothing is measured any more")
            await held.enter_async_context(measuring)
            lasting.readiness.ready = True
            yield {READINESS: lasting.readiness}
            lasting.readiness.ready = False
            await _closed(lasting.journal)

    def _watched(self) -> Watched:
        return Watched(
            in_flight=lambda: self._lasting.journal.open_records,
            connections=lambda: [(name, source.connections()) for name, source in self._sources.items()],
            lost_lines=lambda: self._lasting.sink.lost,
            circuits=self._circuits,
            redis_gone=self._lasting.counters.gone,
            queues=self._queues,
            rolled_back=self._lasting.canaries.rolled_back,
            fleets=self._fleets,
        )

    def _parts(self, relay: Relay, user_hash: UserHash) -> api.Parts:
        lasting, settings = self._lasting, self._in_force.setup.settings
        return api.Parts(
            relay=relay,
            keys=lasting.keys,
            registry=lasting.registry,
            inventory=lasting.inventory,
            in_force=self._in_force,
            journal=lasting.journal,
            user_hash=user_hash,
            configuration=self._configuration,
            doctor=Doctor(
                lasting.inventory,
                lambda: lasting.sink.lost,
                self._circuits,
                lasting.counters.gone,
                self._checks,
            ),
            readiness=lasting.readiness,
            metrics=lasting.metrics if settings.metrics.enabled else None,
            reporter=Reporter(
                lasting.keeping.usage,
                settings.store.flush_seconds,
                lambda: self._in_force.setup.prices.version,
            ),
            archive=lasting.remembers.archive,
        )

    def _checks(self) -> Sequence[Check]:
        lasting = self._lasting
        checks = (
            *lasting.keeping.checks,
            *lasting.registry.checks,
            self._configuration.check,
            self._roll.check,
        )
        return [*(check() for check in checks), *lasting.canaries.checks(), *fleets.checks(self._fleets())]

    def _made(self, settings: config.Config, before: Setup) -> Setup:
        """A setup that may come into force. Raises CannotStart and ValueError."""
        self._lasting.registry.look_who_is_let_in(settings)
        return self._setups.of(settings, before)

    def _reconfigured(self, before: Setup, setup: Setup) -> None:
        """Another setup is in force: what holds a part of the configuration by itself gets the new one."""
        settings = setup.settings
        self._lasting.keys.configure(_callers(settings), settings.server.cors_origins)
        self._lasting.registry.configure(settings)
        self._lasting.metrics.forget(
            name for name, source in before.sources.items() if setup.sources.get(name) is not source
        )
        self._lasting.inventory.wake()
        self.door.let_in(settings.server.cors_origins)
        if settings.logs.level != before.settings.logs.level:
            logging.getLogger().setLevel(settings.logs.level.upper())

    def _circuits(self) -> Mapping[str, Sequence[Circuit]]:
        return {name: source.circuits() for name, source in self._sources.items()}

    def _fleets(self) -> Mapping[str, FleetSeen]:
        return {
            name: source.fleet.seen() for name, source in self._sources.items() if source.fleet is not None
        }

    def _queues(self) -> Mapping[str, Queue]:
        return {
            name: queue for name, source in self._sources.items() if (queue := source.queue()) is not None
        }


async def _closed(journal: Journal) -> None:
    """Until the record of every call is closed, or the time for that is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_SECONDS):
            while journal.open_records:  # noqa: ASYNC110 - the journal tells nobody that it is empty
                await asyncio.sleep(0.01)


def _callers(settings: config.Config) -> Mapping[str, Caller]:
    """The keys of the file: who they are, by digest."""
    return {
        key.sha256: Caller(
            key.id, key.allowed, key.limits.allowance, key.priority, key.weight, admin=key.admin
        )
        for key in settings.keys
    }
