"""Gives one replica the adapters that it shall have, and lets calls go to them only when they answer as they should.

Loading an adapter stops a server's engine, and has once given one tenant's call another tenant's adapter (vllm#47724). So a replica
that is answering is left alone first, and loaded then; what was loaded is asked what its manifest says that it answers; and only
then are calls sent to it. A replica that began anew has lost all of it, and is given it again before anything else.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from adapters import proving
from adapters.fleet import Fleet, Server
from adapters.leasing import Leasing
from adapters.proving import Later, Refused, said
from adapters.scraping import scraped
from app.config import Mixing
from app.errors import UpstreamFailure, UpstreamTimeout, UpstreamUnavailable
from app.fleet.reconciling import QUIET, Shelved, Step, next_step
from app.loras.versions import Found, Version

_log = logging.getLogger("hyperbridge")

GONE_SECONDS = 10.0
"""For how long a replica that cannot be reached keeps its adapters to itself; then others are given them."""

MOST_TRIES = 3
"""How often an adapter that a replica does not find is asked for again: a shared folder may be late."""

MOST_SEEN = 1_000_000
"""More adapters than any server has: one that was seen to mix them up is not asked again until it begins anew."""

_MIX = "the base beside adapters"
_LOADED = "has already been loaded"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a fleet is given adapters: `replica_folder` is the folder with them as the replicas see it; bounds in seconds.

    `quiesce_seconds` is how long a replica gets no calls before it is given an adapter, so that those it has end; None is as long
    as they take.
    """

    fleet: str
    replica_folder: str
    quiesce_seconds: float | None = 30.0
    load_seconds: float = 120.0
    canary_seconds: float = 60.0
    keep_seconds: float = 600.0
    look_seconds: float = 2.0
    mixing: Mixing = "auto"


@dataclass(slots=True)
class Tally:
    """What was done, since the start: steps by action and outcome, and the seconds that loads took."""

    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    load_seconds: float = 0.0


class Asked(Protocol):
    """Who knows what each replica shall have."""

    found: Found

    def manages(self, name: str) -> bool: ...

    def shall_have(self, server: Server) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Turns:
    """Who may act on replicas: `here` is for those of one worker, of which one at a time gets no calls; `leasing` is for all workers
    and gateways, of which one at a time loads into a replica.
    """

    leasing: Leasing
    here: asyncio.Lock = field(default_factory=asyncio.Lock)


class Giver:
    """Looks after one replica."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it acts on and by
        self, server: Server, fleet: Fleet, loras: Asked, terms: Terms, tally: Tally, turns: Turns
    ) -> None:
        self.server = server
        self._fleet = fleet
        self._loras = loras
        self._terms = terms
        self._tally = tally
        self._turns = turns
        self._gone_since: float | None = None
        self._tries: Counter[str] = Counter()

    def begin(self) -> None:
        """Nothing is known of the replica: it gets no calls until it has been looked at."""
        server = self.server
        server.ready = False
        server.shelved = Shelved(server.shelved.listed)
        server.seat.apart = self._terms.mixing != "together"
        server.seat.residency.clear()
        self._fleet.prefixes.forget(server.seat.place)

    def forgive(self, name: str) -> None:
        """Somebody has asked for it again: it is asked once more, also where it refused it."""
        self.server.shelved.refused.pop(name, None)
        self._tries.pop(name, None)

    def is_there(self, now: float) -> bool:
        """Whether it is to be counted on: it can be reached, or could a short while ago."""
        return self._gone_since is None or now - self._gone_since < GONE_SECONDS

    async def give(self) -> None:
        """Bring the replica to what it shall have, again and again."""
        while True:
            self.server.lost.clear()
            try:
                await self._bring()
                await self._measure()
            except UpstreamFailure as failure:
                self._not_reached(failure)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._terms.look_seconds):
                    await self.server.lost.wait()
            if self._gone_since is not None:
                await asyncio.sleep(0.2)  # calls that fail there set `lost` each time

    def _not_reached(self, failure: UpstreamFailure) -> None:
        """One that does not answer in time is busy; one that cannot be reached has gone, and may come back without anything."""
        if isinstance(failure, UpstreamTimeout) or (
            isinstance(failure, UpstreamUnavailable) and failure.answered
        ):
            return
        if self.server.trouble is None:
            _log.warning(
                "%s: %s cannot be looked at: %s", self._terms.fleet, self.server.where, failure.message
            )
            self._gone_since = asyncio.get_running_loop().time()
            self.begin()
        self.server.trouble = failure

    async def _bring(self) -> None:
        """All steps that can be made now."""
        await self._hear()
        late: set[str] = set()
        async with contextlib.AsyncExitStack() as held:
            while (step := self._next(late)) is not None:
                if step.action == "load" and not await self._hold(held):
                    late.add(step.name)  # another gateway gives it that
                    continue
                async with self._left_alone(step):
                    await self._tried(step, late)
                await self._hear()
        if not self.server.ready:
            self.server.ready = True
            _log.info("%s: %s has the adapters that it can have", self._terms.fleet, self.server.where)
        self._fleet.pump()

    async def _hold(self, held: contextlib.AsyncExitStack) -> bool:
        """Hold the replica against other gateways, until all its steps are made; whether it could be."""
        leasing, terms = self._turns.leasing, self._terms
        if not leasing.is_shared:
            return True
        seconds = (terms.quiesce_seconds or terms.load_seconds) + terms.load_seconds + terms.canary_seconds
        if not await leasing.hold(self.server.where, seconds):
            return False
        held.push_async_callback(leasing.release, self.server.where)
        return True

    async def _is_busy(self) -> bool:
        """Whether it is answering calls, of this worker or, where there are others, of anybody."""
        if self.server.seat.in_flight or not self._turns.leasing.is_shared:
            return self.server.seat.in_flight > 0
        found = await scraped(self.server.directory, self.server.where)
        return found is not None and found.calls > 0

    def _next(self, late: Collection[str]) -> Step | None:
        wanted = [name for name in self._loras.shall_have(self.server) if name not in late]
        managed = {name for name in self.server.shelved.listed if self._loras.manages(name)} - set(late)
        return next_step(self.server.shelved, wanted, managed, self.server.seat.busy, self._slots(late))

    def _slots(self, late: Collection[str]) -> int:
        """With how many adapters it has to be seen whether the base is answered as itself."""
        return 0 if self._terms.mixing != "auto" or _MIX in late else self.server.seat.max_loras

    async def _tried(self, step: Step, late: set[str]) -> None:
        """One step, however it goes. Raises UpstreamFailure where the replica itself is not there."""
        outcome = "done"
        try:
            await self._do(step)
        except Refused as refusal:
            self.server.shelved.refused[step.name] = str(refusal)
            outcome = "refused"
            _log.error(
                "%s: %s does not take %s: %s", self._terms.fleet, self.server.where, step.name, refusal
            )
        except Later as reason:
            late.add(step.name or _MIX)
            outcome = "late"
            _log.warning(
                "%s: %s is late with %s: %s", self._terms.fleet, self.server.where, step.name or _MIX, reason
            )
        self._tally.steps[step.action, outcome] += 1

    async def _hear(self) -> None:
        """What the replica lists now. A connection that breaks is no reason to take it for gone: it is asked once more."""
        directory = self.server.directory
        try:
            cards = await directory.cards()
        except UpstreamUnavailable:
            cards = await directory.cards()
        self._gone_since = None
        self.server.trouble = None
        if self.server.shelved.heard([card.id for card in cards]):  # it has lost some, so it has begun anew
            self.begin()
        self.server.shelved.base = next((card.id for card in cards if card.parent is None), "")

    async def _measure(self) -> None:
        """What the replica tells of itself puts right what is counted here."""
        found = await scraped(self.server.directory, self.server.where)
        if found is not None:
            self.server.seat.told(found.kv_usage, found.calls)
            self.server.seat.residency.seen(found.adapters & self.server.shelved.admitted)

    async def _do(self, step: Step) -> None:
        """One step. Raises Refused, Later and UpstreamFailure."""
        if step.action == "unload":
            await self._unload(step.name)
            return
        if step.action == "mix":
            await self._mix()
            return
        version = self._loras.found.versions.get(step.name)
        if version is None:
            raise Refused("it is not in the folder of adapters any more")
        if step.action == "load":
            await self._load(version)
        await self._prove(version)
        self.server.shelved.admit(step.name)
        self._fleet.pump()

    @asynccontextmanager
    async def _left_alone(self, step: Step) -> AsyncGenerator[None]:
        """Hold a replica without calls, where the step wants that; one of the fleet at a time."""
        if step.action not in QUIET:
            yield
            return
        async with (
            self._turns.here if self.server.ready else contextlib.nullcontext()
        ):  # who is not ready gets none
            self.server.quiet = True
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._terms.quiesce_seconds):
                        while await self._is_busy():  # noqa: ASYNC110 - a replica does not tell that it is idle
                            await asyncio.sleep(0.05)
                yield
            finally:
                self.server.quiet = False
                self._fleet.pump()

    async def _load(self, version: Version) -> None:
        path = f"{self._terms.replica_folder.rstrip('/')}/{version.folder}"
        began = time.monotonic()
        answer = await self.server.directory.ask(
            "POST",
            "load_lora_adapter",
            {"lora_name": version.name, "lora_path": path},
            self._terms.load_seconds,
        )
        seconds = time.monotonic() - began
        if answer.is_success:
            self.server.seat.costs.loaded(seconds)
            self.server.seat.residency.use(version.name)
            self._tally.load_seconds += seconds
            _log.info("%s: %s has %s, in %.2f s", self._terms.fleet, self.server.where, version.name, seconds)
            return
        told = said(answer)
        if _LOADED in told:  # another gateway was faster
            return
        self._tries[version.name] += 1
        if _may_pass(answer) and self._tries[version.name] < MOST_TRIES:
            raise Later(told)
        raise Refused(told)

    async def _prove(self, version: Version) -> None:
        """Raises Refused; a replica that answered wrongly has it no more."""
        try:
            await proving.canary(self.server.directory, version, self._terms.canary_seconds)
        except Refused:
            with contextlib.suppress(UpstreamFailure, Later):
                await self._unload(version.name)
            raise

    async def _mix(self) -> None:
        """See whether calls of the base stay its own beside those of adapters. Raises Later where that cannot be seen."""
        shelved, seat = self.server.shelved, self.server.seat
        adapters = [name for name in self._loras.shall_have(self.server) if name in shelved.admitted][
            : seat.max_loras
        ]
        seen = min(shelved.most, seat.max_loras)
        apart = await proving.keeps_apart(
            self.server.directory, shelved.base, adapters, self._terms.canary_seconds
        )
        if apart is None:
            raise Later(
                "the base was not answered in a way that could be compared; until then it is kept apart"
            )
        shelved.mixed = seen if apart else MOST_SEEN
        seat.apart = not apart
        if not apart:
            _log.warning(
                "%s: %s answers calls of %s with an adapter's weights where both are in one batch: they are kept apart",
                self._terms.fleet,
                self.server.where,
                shelved.base,
            )

    async def _unload(self, name: str) -> None:
        """Take a name away. What answers under it ends first; the next step asks again until then."""
        self.server.shelved.admitted.discard(name)
        answer = await self.server.directory.ask("POST", "unload_lora_adapter", {"lora_name": name})
        if not answer.is_success and answer.status_code != 404:
            raise Later(said(answer))
        self.server.seat.residency.forget(name)
        _log.info("%s: %s has no %s any more", self._terms.fleet, self.server.where, name)


def _may_pass(answer: httpx.Response) -> bool:
    """Whether the same request may succeed later: a file that is not there yet. Everything else vLLM says is for good."""
    return answer.status_code == 404 and "No adapter found" in said(answer)
