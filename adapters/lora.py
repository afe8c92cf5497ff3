"""Gives replicas the adapters that they shall have, and lets calls go to them only when they answer as they should.

Loading an adapter stops a server's engine, and has once given one tenant's call another tenant's adapter (vllm#47724). So a replica
that is answering is left alone first, and loaded then; what was loaded is asked what its manifest says that it answers; and only
then are calls sent to it. A replica that began anew has lost all of it, and is given it again before anything else.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from adapters import proving
from adapters.fleet import Fleet, Server
from adapters.proving import Later, Refused, said
from adapters.scraping import scraped
from app.background import background
from app.config import Mixing
from app.errors import UpstreamFailure, UpstreamTimeout, UpstreamUnavailable
from app.fleet.placement import Placement
from app.fleet.reconciling import QUIET, Step, next_step
from app.loras.shared import Shared
from app.loras.unusable import Unusable
from app.loras.versions import Found, Shelf, Version, is_versioned
from app.loras.wanted import Wanted

_log = logging.getLogger("hyperbridge")

GONE_SECONDS = 10.0
"""For how long a replica that cannot be reached keeps its adapters to itself; then others are given them."""

MOST_TRIES = 3
"""How often an adapter that a replica does not find is asked for again: a shared folder may be late."""

START_SECONDS = 2.0
"""How long a start waits for adapters to be read; large ones take a second each."""

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


class Loras:
    """The adapters of one fleet."""

    def __init__(
        self, fleet: Fleet, shelf: Shelf, shared: Shared, placement: Placement, terms: Terms
    ) -> None:
        self._name = terms.fleet
        self._fleet = fleet
        self._shelf = shelf
        self._shared = shared
        self._placement = placement
        self._terms = terms
        self.found = Found()
        self.wanted = Wanted()
        self.fault = ""
        """Why the folder, or what is written down, could not be read the last time."""
        self.tally = Tally()
        self._turn = asyncio.Lock()
        self._unreached: dict[Server, float] = {}
        self._tries: Counter[tuple[str, str]] = Counter()
        self._ids: frozenset[str] = frozenset()
        self._looked = asyncio.Event()
        self._running = contextlib.AsyncExitStack()
        fleet.manages = self.manages

    # What calls need

    def manages(self, name: str) -> bool:
        """Whether a model's name is an adapter that replicas are given from here."""
        return is_versioned(name) and name.partition("@")[0] in self._ids

    def is_there(self, name: str) -> bool:
        """Whether a model's name may be asked for: of versions, those that are wanted. Raises UpstreamUnavailable where the
        adapters have not been read yet, so that nobody knows.
        """
        if not self._looked.is_set():
            reason = "The adapters are still being read."
            failure = UpstreamUnavailable(reason, detail="not asked: starting", headers={"retry-after": "2"})
            failure.blameless = True
            raise failure
        return not self.manages(name) or name in self.wanted_names()

    def resolved(self, name: str) -> str:
        """The version that a name means now; a name that is no alias as it is."""
        return self.wanted.version_of(name) or name

    # Life

    async def start(self) -> None:
        """Begin to look after the replicas. What cannot be read at once is read later, and told until then."""
        for server in self._fleet.servers:
            server.ready = False
            server.seat.apart = self._terms.mixing != "together"
        await self._running.enter_async_context(
            background(self._watch(), f"{self._name}: adapters are not looked for any more")
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._looked.wait()
        for server in self._fleet.servers:
            end = f"{self._name}: {server.where} is given no adapters any more"
            await self._running.enter_async_context(background(self._keep(server), end))

    async def close(self) -> None:
        await self._running.aclose()

    async def _watch(self) -> None:
        """Look now and then at the folder, at what others have asked for, and at aliases that are moving."""
        while True:
            await self._look()
            self._looked.set()
            await self._roll_on()
            await asyncio.sleep(self._terms.look_seconds)

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(self._shelf.look)
            revision, text = await self._shared.read(self._name)
            wanted = Wanted.of(text) if text else Wanted()
        except Unusable as fault:
            self._tell(str(fault))
            return
        self._tell("")
        for folder, wrong in found.faults.items():
            if folder not in self.found.faults:
                _log.error("%s: the adapter in %s cannot be served: %s", self._name, folder, "; ".join(wrong))
        self.found = found
        self._ids = frozenset(version.id for version in found.versions.values()) | wanted.ids
        new = wanted.with_new(found.versions)
        if new is not wanted and not await self._shared.write(self._name, revision, new.text()):
            return  # somebody else changed it at this moment: look again
        if new != self.wanted:
            self.wanted = new
            self._wake()

    def _tell(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.error("%s: %s", self._name, fault)
        self.fault = fault

    def _wake(self) -> None:
        for server in self._fleet.servers:
            server.lost.set()

    # What people ask for

    async def change(self, change: Callable[[Wanted], Wanted]) -> Wanted:
        """Change what is wanted, for all who share it. Raises what the change does, and Unusable where others keep changing it."""
        for _ in range(10):
            revision, text = await self._shared.read(self._name)
            before = (Wanted.of(text) if text else Wanted()).with_new(self.found.versions)
            after = change(before)
            if await self._shared.write(self._name, revision, after.text()):
                self.wanted = after
                self._wake()
                return after
        raise Unusable("what the fleet shall have is being changed by others: try again")

    def forgive(self, name: str) -> None:
        """Somebody has asked for it again: those that refused it are asked once more."""
        for server in self._fleet.servers:
            server.shelved.refused.pop(name, None)
            self._tries.pop((server.where, name), None)

    async def _roll_on(self) -> None:
        """Let aliases move to versions that answer wherever they are wanted; give up those that cannot be served."""
        for alias, each in self.wanted.aliases.items():
            if not each.next:
                continue
            missing, refusals = self._missing(each.next)
            if refusals:
                await self.change(_failing(alias, each.next, refusals[0]))
                _log.error("%s: %s stays %s: %s", self._name, alias, each.version, refusals[0])
            elif not missing:
                await self.change(_moving(alias, each.next, time.time()))
                _log.info("%s: %s is %s now, and was %s", self._name, alias, each.next, each.version)

    def _missing(self, name: str) -> tuple[Sequence[str], Sequence[str]]:
        """The replicas that shall have it and have not yet, and why some never will."""
        if name not in self.found.versions:
            return (), (f"{name} is not in the folder of adapters",)
        servers = [server for server in self._fleet.servers if name in self.shall_have(server)]
        refusals = [
            f"{server.where}: {server.shelved.refused[name]}"
            for server in servers
            if name in server.shelved.refused
        ]
        missing = [server.where for server in servers if name not in server.shelved.admitted]
        return missing if servers else (self._name,), refusals

    # What each replica shall have

    def wanted_names(self) -> frozenset[str]:
        """The versions that the fleet shall have now."""
        return self.wanted.names(time.time(), self._terms.keep_seconds)

    def shall_have(self, server: Server) -> Sequence[str]:
        """The versions that this replica shall have, those first that belong to it most."""
        now = asyncio.get_running_loop().time()
        there = [each.where for each in self._fleet.servers if self._is_there(each, now)] or [server.where]
        found: list[tuple[int, str]] = []
        for name in self.wanted_names():
            if name not in self.found.versions and name not in server.shelved.admitted:
                continue  # its files are gone: who has it keeps it
            places = there if name in self.wanted.pinned else self._placement.wanted(name, there, now)
            if server.where in places:
                found.append((places.index(server.where), name))
        return [name for _, name in sorted(found)]

    def _is_there(self, server: Server, now: float) -> bool:
        since = self._unreached.get(server)
        return since is None or now - since < GONE_SECONDS

    # One replica

    async def _keep(self, server: Server) -> None:
        """Bring a replica to what it shall have, again and again."""
        await self._looked.wait()
        while True:
            server.lost.clear()
            try:
                await self._bring(server)
                await self._measure(server)
            except UpstreamFailure as failure:
                self._not_reached(server, failure)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._terms.look_seconds):
                    await server.lost.wait()
            if server in self._unreached:
                await asyncio.sleep(0.2)  # calls that fail there set `lost` each time

    def _not_reached(self, server: Server, failure: UpstreamFailure) -> None:
        """One that does not answer in time is busy; one that cannot be reached has gone, and may come back without anything."""
        if isinstance(failure, UpstreamTimeout):
            return
        if server.trouble is None:
            _log.warning("%s: %s cannot be looked at: %s", self._name, server.where, failure.message)
        server.trouble = failure
        server.ready = False
        server.shelved.admitted.clear()
        self._unreached.setdefault(server, asyncio.get_running_loop().time())

    async def _bring(self, server: Server) -> None:
        """All steps that can be made now."""
        await self._hear(server)
        late: set[str] = set()
        while (step := self._next(server, late)) is not None:
            async with self._left_alone(server, step):
                await self._tried(server, step, late)
            await self._hear(server)
        if not server.ready:
            server.ready = True
            _log.info("%s: %s has the adapters that it can have", self._name, server.where)
        self._fleet.pump()

    def _next(self, server: Server, late: Collection[str]) -> Step | None:
        wanted = [name for name in self.shall_have(server) if name not in late]
        managed = {name for name in server.shelved.listed if self.manages(name)} - set(late)
        return next_step(server.shelved, wanted, managed, server.seat.busy, self._slots(server, late))

    def _slots(self, server: Server, late: Collection[str]) -> int:
        """With how many adapters it has to be seen whether the base is answered as itself."""
        return 0 if self._terms.mixing != "auto" or _MIX in late else server.seat.max_loras

    async def _tried(self, server: Server, step: Step, late: set[str]) -> None:
        """One step, however it goes. Raises UpstreamFailure where the replica itself is not there."""
        outcome = "done"
        try:
            await self._do(server, step)
        except Refused as refusal:
            server.shelved.refused[step.name] = str(refusal)
            outcome = "refused"
            _log.error("%s: %s does not take %s: %s", self._name, server.where, step.name, refusal)
        except Later as reason:
            late.add(step.name or _MIX)
            outcome = "late"
            _log.warning("%s: %s is late with %s: %s", self._name, server.where, step.name or _MIX, reason)
        self.tally.steps[step.action, outcome] += 1

    async def _hear(self, server: Server) -> None:
        """What the replica lists now."""
        cards = await server.directory.cards()
        self._unreached.pop(server, None)
        server.trouble = None
        server.shelved.base = next((card.id for card in cards if card.parent is None), "")
        lost = server.shelved.heard([card.id for card in cards])
        if lost:  # it has begun anew
            server.ready = False
            server.seat.apart = self._terms.mixing != "together"
            server.seat.residency.clear()
            self._fleet.prefixes.forget(server.seat.place)

    async def _measure(self, server: Server) -> None:
        """What the replica tells of itself puts right what is counted here."""
        found = await scraped(server.directory, server.where)
        if found is not None:
            server.seat.told(found.kv_usage, found.calls)
            server.seat.residency.seen(found.adapters & server.shelved.admitted)

    async def _do(self, server: Server, step: Step) -> None:
        """One step. Raises Refused, Later and UpstreamFailure."""
        if step.action == "unload":
            await self._unload(server, step.name)
            return
        if step.action == "mix":
            await self._mix(server)
            return
        version = self.found.versions.get(step.name)
        if version is None:
            raise Refused("it is not in the folder of adapters any more")
        if step.action == "load":
            await self._load(server, version)
        await self._prove(server, version)
        server.shelved.admit(step.name)
        self._fleet.pump()

    @asynccontextmanager
    async def _left_alone(self, server: Server, step: Step) -> AsyncGenerator[None]:
        """Hold a replica without calls, where the step wants that; one of the fleet at a time."""
        if step.action not in QUIET:
            yield
            return
        async with (
            self._turn if server.ready else contextlib.nullcontext()
        ):  # one that is not ready gets none
            server.quiet = True
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._terms.quiesce_seconds):
                        while server.seat.in_flight:  # noqa: ASYNC110 - a replica does not tell that it is idle
                            await asyncio.sleep(0.01)
                yield
            finally:
                server.quiet = False
                self._fleet.pump()

    async def _load(self, server: Server, version: Version) -> None:
        path = f"{self._terms.replica_folder.rstrip('/')}/{version.folder}"
        began = time.monotonic()
        answer = await server.directory.ask(
            "POST",
            "load_lora_adapter",
            {"lora_name": version.name, "lora_path": path},
            self._terms.load_seconds,
        )
        seconds = time.monotonic() - began
        if answer.is_success:
            server.seat.costs.loaded(seconds)
            server.seat.residency.use(version.name)
            self.tally.load_seconds += seconds
            _log.info("%s: %s has %s, in %.2f s", self._name, server.where, version.name, seconds)
            return
        told = said(answer)
        if _LOADED in told:  # another gateway was faster
            return
        tries = self._tries[server.where, version.name] = self._tries[server.where, version.name] + 1
        if _may_pass(answer) and tries < MOST_TRIES:
            raise Later(told)
        raise Refused(told)

    async def _prove(self, server: Server, version: Version) -> None:
        """Raises Refused; a replica that answered wrongly has it no more."""
        try:
            await proving.canary(server.directory, version, self._terms.canary_seconds)
        except Refused:
            with contextlib.suppress(UpstreamFailure, Later):
                await self._unload(server, version.name)
            raise

    async def _mix(self, server: Server) -> None:
        """See whether calls of the base stay its own beside those of adapters. Raises Later where that cannot be seen."""
        shelved, seat = server.shelved, server.seat
        adapters = [name for name in self.shall_have(server) if name in shelved.admitted][: seat.max_loras]
        seen = min(shelved.most, seat.max_loras)
        apart = await proving.keeps_apart(
            server.directory, shelved.base, adapters, self._terms.canary_seconds
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
                self._name,
                server.where,
                shelved.base,
            )

    async def _unload(self, server: Server, name: str) -> None:
        """Take a name away. What answers under it ends first; the next step asks again until then."""
        server.shelved.admitted.discard(name)
        answer = await server.directory.ask("POST", "unload_lora_adapter", {"lora_name": name})
        if not answer.is_success and answer.status_code != 404:
            raise Later(said(answer))
        server.seat.residency.forget(name)
        _log.info("%s: %s has no %s any more", self._name, server.where, name)


def _failing(alias: str, name: str, why: str) -> Callable[[Wanted], Wanted]:
    def change(wanted: Wanted) -> Wanted:
        moving = alias in wanted.aliases and wanted.aliases[alias].next == name
        return wanted.failed(alias, why) if moving else wanted

    return change


def _moving(alias: str, name: str, now: float) -> Callable[[Wanted], Wanted]:
    def change(wanted: Wanted) -> Wanted:
        moving = alias in wanted.aliases and wanted.aliases[alias].next == name
        return wanted.moved(alias, now) if moving else wanted

    return change


def _may_pass(answer: httpx.Response) -> bool:
    """Whether the same request may succeed later: a file that is not there yet. Everything else vLLM says is for good."""
    return answer.status_code == 404 and "No adapter found" in said(answer)
