"""Which replica a call goes to: ours, and the plain ways that others have.

Ours is LMetric (arXiv 2603.15202: uncached prefill tokens, those that wait included, times the batch's size) with what an adapter
costs beside it. Loading one stalls the whole engine, so its seconds are tokens that could have been read meanwhile, and everyone
who is answered there waits for them: the same shape, and nothing to tune, since speeds and times are measured.

    score = (pending + uncached + load + slot wait) x (in flight + 1) x (1 + 2 kv^2)      in tokens; the least wins

The last factor is AIBrix' for memory that runs short.
"""

import random
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, Protocol, TypeAlias

from app.fleet.prefixes import Prefixes
from app.fleet.replica import FULL_KV, Asked, Replica
from app.fleet.residency import Level

AWAY = 4.0
"""How much worse a replica must be that an adapter belongs to, before its calls go to one that it does not: each that has an
adapter's calls needs a slot for it, and its own copy of their prefixes.
"""

PolicyName: TypeAlias = Literal["lmetric", "least_loaded", "power_of_two", "round_robin", "bounded_hash"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The replica; what it has of the prompt, in tokens, and where it has the adapter; the score where there is one."""

    replica: Replica
    cached: int = 0
    level: Level = "gpu"
    score: float = 0.0

    @property
    def reason(self) -> str:
        """In words, for the log: asked when the call has been sent."""
        where = f", adapter on {self.level}" if self.level != "gpu" else ""
        return f"{self.cached} tokens cached{where}, {self.replica.in_flight - 1} before it"


class Policy(Protocol):
    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        """One of the candidates, of which there is at least one. It may have no room yet: then the call waits for it."""


class LMetric:
    """Ours. Candidates in the order of preference among equals."""

    def __init__(self, prefixes: Prefixes) -> None:
        self._prefixes = prefixes

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        blocks, adapter = asked.blocks, asked.adapter
        cached = self._prefixes.cached(blocks)
        best, least = candidates[0], float("inf")
        homes = len(candidates) if asked.homes is None else asked.homes
        for place, replica in enumerate(candidates):
            tokens: float = replica.pending_tokens + max(1, blocks.tokens - cached.get(replica.place, 0))
            if adapter not in replica.busy and (adapter or replica.apart):
                tokens += self._adapter_tokens(adapter, replica, now)
            score = tokens * replica.crowd
            if place >= homes:
                score *= AWAY
            if score < least and (replica.kv_usage <= FULL_KV or least == float("inf")):
                best, least = replica, score
        return Choice(
            best, cached.get(best.place, 0), best.residency.level(adapter) if adapter else "gpu", least
        )

    @staticmethod
    def _adapter_tokens(adapter: str, replica: Replica, now: float) -> float:
        """What the adapter costs there: the engine's standstill while it is loaded, and the wait for a slot."""
        seconds = replica.costs.load_seconds(replica.residency.level(adapter)) if adapter else 0.0
        if replica.waits_for_others(adapter):
            seconds += replica.slot_seconds(now)
        return seconds * replica.costs.prefill_tokens_per_second


class LeastLoaded:
    """The one with the fewest calls; among equals the one that had the fewest so far."""

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        return Choice(min(candidates, key=_load))


class PowerOfTwo:
    """The less loaded of two by chance (Mitzenmacher, 1996): gateways that know nothing of one another do not crowd."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        some = self._chance.sample(candidates, min(2, len(candidates)))
        return Choice(min(some, key=_load))


class RoundRobin:
    """One after the other."""

    def __init__(self) -> None:
        self._turn = 0

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        self._turn += 1
        return Choice(candidates[self._turn % len(candidates)])


class BoundedHash:
    """Consistent hashing with bounded loads (Mirrokni and others, 2016): each adapter, or each beginning of a prompt, has its
    place on a ring, and goes on to the next one where its own has more than `bound` times the mean.
    """

    POINTS = 100

    def __init__(self, bound: float = 1.25) -> None:
        self._bound = bound
        self._names: tuple[str, ...] = ()
        self._ring: list[tuple[int, str]] = []

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        by_name = {replica.name: replica for replica in candidates}
        self._place(tuple(sorted(by_name)))
        most = self._bound * (sum(map(_calls, candidates)) + 1) / len(candidates)
        first = asked.blocks.hashes[0] if asked.blocks.hashes else 0
        start = bisect_left(self._ring, (_point(asked.adapter or f"{first:x}"), ""))
        for step in range(len(self._ring)):
            replica = by_name[self._ring[(start + step) % len(self._ring)][1]]
            if _calls(replica) + 1 <= most:
                return Choice(replica)
        return Choice(min(candidates, key=_load))

    def _place(self, names: tuple[str, ...]) -> None:
        if names != self._names:
            self._names = names
            self._ring = sorted(
                (_point(f"{name}#{each}"), name) for name in names for each in range(self.POINTS)
            )


def policy_of(name: PolicyName, prefixes: Prefixes) -> Policy:
    made: Mapping[PolicyName, Callable[[], Policy]] = {
        "lmetric": lambda: LMetric(prefixes),
        "least_loaded": LeastLoaded,
        "power_of_two": lambda: PowerOfTwo(random.Random()),  # noqa: S311 - chance, not a secret
        "round_robin": RoundRobin,
        "bounded_hash": BoundedHash,
    }
    return made[name]()


def _load(replica: Replica) -> tuple[int, int]:
    return _calls(replica), replica.calls


def _calls(replica: Replica) -> int:
    return replica.in_flight + replica.others


def _point(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
