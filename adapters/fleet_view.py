"""A fleet with adapters as people see it, and what they ask of it."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from adapters.fleet import Fleet, Server
from adapters.lora import Loras
from app.errors import AdapterConflict, AdapterMissing, NoStore
from app.fleet.seen import AdapterSeen, AliasSeen, FleetSeen, ReplicaSeen, State
from app.loras.unusable import Unusable, Unwritten
from app.loras.versions import is_versioned
from app.loras.wanted import Wanted

NAMES_TOLD = 20


class View:
    """`app.fleet.seen.FleetView`."""

    def __init__(self, fleet: Fleet, loras: Loras) -> None:
        self._fleet = fleet
        self._loras = loras

    def seen(self) -> FleetSeen:
        loras = self._loras
        now = asyncio.get_running_loop().time()
        names = {*loras.found.versions, *loras.wanted_names()}
        names |= {name for server in self._fleet.servers for name in server.shelved.admitted}
        wanted = {server: frozenset(loras.shall_have(server)) for server in self._fleet.servers}
        return FleetSeen(
            replicas=[_replica(server, now) for server in self._fleet.servers],
            adapters=[self._adapter(name, wanted) for name in sorted(names)],
            aliases={
                alias: AliasSeen(each.version, each.next, each.before, each.fault)
                for alias, each in sorted(loras.wanted.aliases.items())
            },
            waiting=self._fleet.waiting,
            faults=loras.found.faults,
            fault=loras.fault,
            steps=dict(loras.tally.steps),
            load_seconds=loras.tally.load_seconds,
        )

    def _adapter(self, name: str, wanted: Mapping[Server, Collection[str]]) -> AdapterSeen:
        loras = self._loras
        version = loras.found.versions.get(name)
        wanted_on = [server.where for server, names in wanted.items() if name in names]
        ready_on = [server.where for server in self._fleet.servers if name in server.shelved.admitted]
        refusals = [
            f"{server.where}: {server.shelved.refused[name]}"
            for server in self._fleet.servers
            if name in server.shelved.refused
        ]
        told = "; ".join(refusals) if version is not None else "its files are not in the folder"
        return AdapterSeen(
            name=name,
            id=name.partition("@")[0],
            state=_state(wanted_on, ready_on, refused=bool(refusals)),
            aliases=[alias for alias, each in sorted(loras.wanted.aliases.items()) if each.version == name],
            pinned=name in loras.wanted.pinned,
            rank=version.rank if version else 0,
            base=version.base if version else "",
            wanted_on=wanted_on,
            ready_on=ready_on,
            told=told,
        )

    async def load(self, name: str) -> None:
        self._known(name)
        self._loras.forgive(name)
        await self._change(lambda wanted: wanted.load(name))

    async def unload(self, name: str) -> None:
        if name in self._loras.wanted.aliases:
            await self._change(lambda wanted: wanted.retire(name))
            return
        if not (is_versioned(name) and name in {*self._loras.found.versions, *self._loras.wanted_names()}):
            raise self._missing(name)
        await self._change(lambda wanted: wanted.unload(name))

    async def pin(self, name: str, *, pinned: bool) -> None:
        version = self._loras.wanted.version_of(name) or name
        if pinned:
            self._known(version)
        elif version not in self._loras.wanted.pinned:
            raise AdapterConflict(f"{version} is not pinned.")
        await self._change(lambda wanted: wanted.pin(version, pinned=pinned))

    async def roll(self, alias: str, name: str) -> None:
        self._known(name)
        if name.partition("@")[0] != alias:
            raise AdapterConflict(f"{name} is no version of {alias}: an alias means versions of its own id.")
        self._loras.forgive(name)
        await self._change(lambda wanted: wanted.roll(alias, name))

    async def back(self, alias: str) -> None:
        if alias not in self._loras.wanted.aliases:
            raise self._missing(alias)
        await self._change(lambda wanted: wanted.back(alias))

    async def _change(self, change: Callable[[Wanted], Wanted]) -> None:
        try:
            await self._loras.change(change)
        except Unwritten as fault:
            raise NoStore("The database does not answer: ask again.", detail=str(fault)) from None
        except Unusable as fault:
            raise AdapterConflict(f"{str(fault)[:1].upper()}{str(fault)[1:]}.") from None

    def _known(self, name: str) -> None:
        """Raises AdapterMissing where the folder has no such version."""
        if name not in self._loras.found.versions:
            raise self._missing(name)

    def _missing(self, name: str) -> AdapterMissing:
        versions = sorted(self._loras.found.versions)
        same = [each for each in versions if each.partition("@")[0] == name.partition("@")[0]]
        known = ", ".join((same or versions)[:NAMES_TOLD]) or "none"
        return AdapterMissing(f"There is no adapter {name[:200]!r}. Versions in the folder: {known}.")


def _replica(server: Server, now: float) -> ReplicaSeen:
    seat = server.seat
    return ReplicaSeen(
        where=server.where,
        reachable=server.breaker.admits(now) and not server.breaker.doubted,
        ready=server.ready,
        quiet=server.quiet,
        in_flight=seat.in_flight,
        pending_tokens=seat.pending_tokens,
        kv_usage=seat.kv_usage,
        adapters={name: seat.residency.level(name) for name in sorted(server.shelved.admitted)},
        refused=dict(server.shelved.refused),
    )


def _state(wanted_on: list[str], ready_on: list[str], *, refused: bool) -> State:
    if refused:
        return "refused"
    if wanted_on:
        return "ready" if set(wanted_on) <= set(ready_on) else "loading"
    return "leaving" if ready_on else "unused"
