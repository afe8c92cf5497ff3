"""A fleet with adapters as people look at it and change it: the values, and the seam to who shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

State: TypeAlias = Literal["unused", "loading", "ready", "refused", "leaving"]
"""How far a version is: in the folder alone; on its way to the replicas; on all that it is wanted on; on none, since they refuse it;
on its way out.
"""


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """A replica as people see it: whether it can be asked, has all of its adapters, and gets no calls while it is given one; what
    it is answering; which adapters may be called there, and why it refused others.
    """

    where: str
    reachable: bool
    ready: bool
    quiet: bool
    in_flight: int
    pending_tokens: int
    kv_usage: float
    adapters: Mapping[str, str]
    """By name, where the replica is taken to have it: `gpu`, `cpu` or `disk`."""
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AdapterSeen:
    """A version of an adapter as people see it; `state` is how far it is, `aliases` are the names that mean it."""

    name: str
    id: str
    state: State
    aliases: Sequence[str]
    pinned: bool
    rank: int
    base: str
    wanted_on: Sequence[str]
    ready_on: Sequence[str]
    told: str
    """What is wrong, where something is."""


@dataclass(frozen=True, slots=True)
class AliasSeen:
    """What a name means: a version, the one that it is moving to, the one before; and why the last move was given up."""

    version: str
    next: str
    before: str
    fault: str


@dataclass(frozen=True, slots=True)
class FleetSeen:
    """A fleet with adapters at one moment. `faults` are folders whose adapter cannot be served, and why; `steps` what was done at
    replicas since the start, by action and outcome; `load_seconds` how long loads took.
    """

    replicas: Sequence[ReplicaSeen]
    adapters: Sequence[AdapterSeen]
    aliases: Mapping[str, AliasSeen]
    waiting: int
    faults: Mapping[str, Sequence[str]]
    fault: str
    steps: Mapping[tuple[str, str], int]
    load_seconds: float


class FleetView(Protocol):
    """Replicas with adapters, as people look at them and change them. Whatever is changed is written down, and done afterwards.

    Every change raises AdapterMissing for what is not there, and AdapterConflict for what must not be.
    """

    def seen(self) -> FleetSeen: ...

    async def load(self, name: str) -> None:
        """A version shall be there, whatever aliases mean; one that was refused is tried again."""

    async def unload(self, name: str) -> None:
        """A version shall not be there any more; or an alias, with all that it means."""

    async def pin(self, name: str, *, pinned: bool) -> None:
        """A version, or the one that an alias means, shall be on every replica; or on as many as its calls need."""

    async def roll(self, alias: str, name: str) -> None:
        """An alias shall mean this version, as soon as it is ready wherever it is wanted."""

    async def back(self, alias: str) -> None:
        """An alias shall mean what it meant before."""
