"""The adapters of a fleet: what is in the folder, what people ask for, and so what each replica shall have."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from adapters.fleet import Fleet, Server
from adapters.giving import Giver, Tally, Terms, Turns
from adapters.leasing import Leasing
from adapters.vllm import no_model
from app.background import background
from app.contracts import Outbound
from app.errors import ForbiddenModel, UpstreamUnavailable
from app.fleet.placement import Placement
from app.loras.shared import Shared
from app.loras.unusable import Unusable
from app.loras.versions import Found, Shelf, is_versioned
from app.loras.wanted import Wanted

_log = logging.getLogger("hyperbridge")

GONE_SECONDS = 10.0
"""For how long a replica that cannot be reached keeps its adapters to itself; then others are given them."""

START_SECONDS = 2.0
"""How long a start waits for adapters to be read; large ones take a second each."""


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
        self._leasing = Leasing(shared, terms.fleet)
        turns = Turns(self._leasing)
        self._givers = [Giver(server, fleet, self, terms, self.tally, turns) for server in fleet.servers]
        self._ids: frozenset[str] = frozenset()
        self._looked = asyncio.Event()
        self._running = contextlib.AsyncExitStack()
        fleet.manages = self.manages

    # What calls need

    def manages(self, name: str) -> bool:
        """Whether a model's name is an adapter that replicas are given from here."""
        return is_versioned(name) and name.partition("@")[0] in self._ids

    def check(self, outbound: Outbound) -> None:
        """Raises where a model may not be asked for: UpstreamUnavailable while the adapters have not been read, ModelMissing for a
        version that is not wanted, ForbiddenModel where its manifest names others.
        """
        if not self._looked.is_set():
            reason = "The adapters are still being read."
            failure = UpstreamUnavailable(reason, detail="not asked: starting", headers={"retry-after": "2"})
            failure.blameless = True
            raise failure
        name = outbound.model
        if not self.manages(name):
            return
        if name not in self.wanted_names():
            raise no_model(name)
        version = self.found.versions.get(name)
        keys = None if version is None or version.manifest is None else version.manifest.keys
        if keys is not None and outbound.caller not in keys:
            raise ForbiddenModel(
                f"This key may not use the adapter {name.partition('@')[0]!r}.", param="model"
            )

    def resolved(self, name: str) -> str:
        """The version that a name means now; a name that is no alias as it is."""
        return self.wanted.version_of(name) or name

    # Life

    async def start(self) -> None:
        """Begin to look after the replicas. What cannot be read at once is read later, and told until then."""
        for giver in self._givers:
            giver.begin()
        await self._running.enter_async_context(
            background(self._watch(), f"{self._name}: adapters are not looked for any more")
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._looked.wait()
        for giver in self._givers:
            end = f"{self._name}: {giver.server.where} is given no adapters any more"
            await self._running.enter_async_context(background(self._give(giver), end))

    async def close(self) -> None:
        await self._running.aclose()

    async def _give(self, giver: Giver) -> None:
        """What a replica shall have is known when the folder has been read."""
        await self._looked.wait()
        await giver.give()

    async def _watch(self) -> None:
        """Look now and then at the folder, at what others have asked for, and at aliases that are moving."""
        while True:
            try:
                await self._look()
                await self._roll_on()
            except Unusable as fault:
                self._tell(str(fault))
            else:
                self._tell("")
            self._looked.set()
            await asyncio.sleep(self._terms.look_seconds)

    async def _look(self) -> None:
        """Raises Unusable."""
        found = await asyncio.to_thread(self._shelf.look)
        revision, text = await self._shared.read(self._name)
        wanted = Wanted.of(text) if text else Wanted()
        for folder, wrong in found.faults.items():
            if folder not in self.found.faults:
                _log.error("%s: the adapter in %s cannot be served: %s", self._name, folder, "; ".join(wrong))
        self.found = found
        self._ids = frozenset(version.id for version in found.versions.values()) | wanted.ids
        new = wanted.with_new(found.versions)
        if new is not wanted and not await self._shared.write(self._name, revision, new.text()):
            new = self.wanted  # somebody else changed it at this moment: look again
        if new != self.wanted:
            self.wanted = new
            self._wake()
        await self._look_at_leases()

    async def _look_at_leases(self) -> None:
        """Replicas that others hold get no calls from here. Raises Unusable."""
        if not self._leasing.is_shared:
            return
        held = await self._leasing.others()
        for server in self._fleet.servers:
            server.held_elsewhere = server.where in held
        self._fleet.pump()

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
        for giver in self._givers:
            giver.forgive(name)

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
        there = [each.server.where for each in self._givers if each.is_there(now)] or [server.where]
        found: list[tuple[int, str]] = []
        for name in self.wanted_names():
            if name not in self.found.versions and name not in server.shelved.admitted:
                continue  # its files are gone: who has it keeps it
            places = there if name in self.wanted.pinned else self._placement.wanted(name, there, now)
            if server.where in places:
                found.append((places.index(server.where), name))
        return [name for _, name in sorted(found)]


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
