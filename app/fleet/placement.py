"""On which replicas an adapter is: as many as its calls keep busy, and the same ones for everybody who asks.

Rendezvous hashing (Thaler and Ravishankar, 1998): the adapter ranks the replicas by a hash of both names, and is on the first few.
A replica that comes or goes moves only what ranks it high, and gateways that never spoke to each other agree.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

WINDOW_SECONDS = 15.0
"""Over about how long demand is averaged."""
COOL_SECONDS = 300.0
"""For how long an adapter stays where it was needed: it comes at once and goes slowly, since each coming stalls a replica."""


@lru_cache(maxsize=65_536)
def rank(adapter: str, replica: str) -> int:
    """How much an adapter belongs to a replica; the highest is the first."""
    return int.from_bytes(blake2b(f"{adapter}\0{replica}".encode(), digest_size=8).digest(), "big")


def ranked(adapter: str, replicas: Iterable[str]) -> list[str]:
    """The replicas, those first that the adapter belongs to most."""
    return sorted(replicas, key=lambda replica: rank(adapter, replica), reverse=True)


@dataclass(slots=True)
class _Need:
    """The calls of one adapter: how many there are now, their mean over the last while, and how many replicas that was worth."""

    calls: int = 0
    mean: float = 0.0
    at: float = 0.0
    homes: int = 1
    homes_at: float = 0.0

    def pass_time(self, now: float) -> None:
        """Move the mean to this moment: an exponentially weighted one of calls in flight."""
        if now > self.at:
            self.mean += (1 - math.exp((self.at - now) / WINDOW_SECONDS)) * (self.calls - self.mean)
            self.at = now


@dataclass(slots=True)
class Placement:
    """Where each adapter is at home, and where it is besides.

    `calls_a_replica` is how many calls of one adapter fill a replica: so many homes it has. `least` are the replicas that have it in
    any case, so that the loss of one loses nobody; those behind the homes are spare, and get its calls where a home is much worse.
    """

    least: int = 2
    calls_a_replica: float = 24.0
    _needs: dict[str, _Need] = field(default_factory=dict)

    def begin(self, adapter: str, now: float) -> None:
        """A call of it has come; also one that waits is a need."""
        need = self._needs.setdefault(adapter, _Need(at=now))
        need.pass_time(now)
        need.calls += 1

    def end(self, adapter: str, now: float) -> None:
        need = self._needs[adapter]
        need.pass_time(now)
        need.calls -= 1

    def forget(self, adapter: str) -> None:
        self._needs.pop(adapter, None)

    def homes(self, adapter: str, now: float) -> int:
        """How many replicas its calls keep busy: more at once, fewer only when fewer were enough for a while."""
        need = self._needs.get(adapter)
        if need is None:
            return 1
        need.pass_time(now)
        wanted = max(1, math.ceil(need.mean / self.calls_a_replica))
        if wanted >= need.homes:
            need.homes, need.homes_at = wanted, now
        elif now - need.homes_at > COOL_SECONDS:
            need.homes, need.homes_at = need.homes - 1, now
        return need.homes

    def wanted(self, adapter: str, replicas: Sequence[str], now: float) -> list[str]:
        """The replicas that it shall be on: its homes, the first one first, and those to spare."""
        return ranked(adapter, replicas)[: self.homes(adapter, now) + self.least - 1]
