"""Counters in this process."""

import math
import time
from collections.abc import Callable, Sequence

from app.limits.counters import (
    BUCKET_SECONDS,
    Counter,
    Demand,
    Reserved,
    Verdict,
    part,
    raised,
    settled,
    wait_seconds,
    window_start,
)

MOST_COUNTERS = 50_000
"""Counters that are kept; beyond it the one that was used longest ago is forgotten, whatever it holds."""


class Memory:
    """Counts what this process admits. `clock` tells seconds since 1970.

    `share` is this process's part of every limit, where others admit the rest: each limit is that much smaller here, but
    at least 1. A call that asks for more than the part, though not for more than the limit, is admitted when nothing of
    the part is used.
    """

    def __init__(self, share: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self.share = share
        self._clock = clock
        self._counts: dict[str, tuple[Counter, float, float]] = {}
        """Of buckets and windows: what was used, and when that was so (a window's beginning)."""
        self._leases: dict[str, set[str]] = {}

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        now, share = self._clock(), self.share
        levels = [self._used(counter, now) for counter, _ in demands]
        for index, (counter, amount) in enumerate(demands):
            limit = part(counter, share)
            wanted = levels[index] + (amount if share == 1 else min(amount, limit))
            if wanted > limit or amount > counter.limit:
                wait = math.inf if amount > counter.limit else wait_seconds(counter, limit, wanted, now)
                return Verdict(index, wait, levels, now, share)
        for index, (counter, amount) in enumerate(demands):
            levels[index] += amount
            if counter.kind == "slots":
                self._leases.setdefault(counter.name, set()).add(lease)
            else:
                self._set(counter, levels[index], now)
        self._look_at_oldest(now)
        return Verdict(None, 0.0, levels, now, share)

    def give(self, demands: Sequence[Demand], used: Sequence[int], lease: str, verdict: Verdict) -> None:
        now = self._clock()
        for (counter, amount), level, spent in zip(demands, verdict.used, used, strict=True):
            if counter.kind == "slots":
                self._free(counter.name, lease)
            elif spent != amount and not _is_past(counter, verdict.now, now):
                reserved = Reserved(amount, level, now - verdict.now)
                before = self._used(counter, now)
                self._set(counter, settled(counter, self.share, before, spent - amount, reserved), now)

    def raise_to(self, counter: Counter, level: float) -> None:
        now = self._clock()
        self._set(counter, raised(counter, self.share, self._used(counter, now), level), now)

    def lower_to(self, counter: Counter, level: float) -> None:
        now = self._clock()
        self._set(counter, min(self._used(counter, now), level), now)

    def spent(self) -> Sequence[tuple[Counter, float, float]]:
        """What is used now of each bucket and window, and the time."""
        now = self._clock()
        levels = [(counter, self._used(counter, now), now) for counter, _, _ in self._counts.values()]
        return [level for level in levels if level[1]]

    def _used(self, counter: Counter, now: float) -> float:
        kind = counter.kind
        if kind == "slots":
            return len(self._leases.get(counter.name, ()))
        known = self._counts.get(counter.name)
        if known is None:
            return 0.0
        _, used, at = known
        if kind == "window":
            return used if at == window_start(counter.period, now) else 0.0
        if now > at:
            used -= (now - at) * part(counter, self.share) / BUCKET_SECONDS[counter.period]
        return used if used > 0 else 0.0

    def _set(self, counter: Counter, used: float, now: float) -> None:
        at = window_start(counter.period, now) if counter.kind == "window" else now
        self._counts.pop(counter.name, None)  # so that those used longest ago stand first
        self._counts[counter.name] = (counter, used, at)

    def _free(self, name: str, lease: str) -> None:
        held = self._leases.get(name)
        if held is not None:
            held.discard(lease)
            if not held:
                del self._leases[name]

    def _look_at_oldest(self, now: float) -> None:
        """Forget one counter where it is empty, else look at it again later; so nothing is ever looked through whole."""
        if not self._counts:
            return
        name = next(iter(self._counts))
        known = self._counts.pop(name)
        if self._is_used(known, now) and len(self._counts) < MOST_COUNTERS:
            self._counts[name] = known

    def _is_used(self, known: tuple[Counter, float, float], now: float) -> bool:
        counter, used, at = known
        if counter.kind == "window":
            return used > 0 and at == window_start(counter.period, now)
        return used > (now - at) * part(counter, self.share) / BUCKET_SECONDS[counter.period]


def _is_past(counter: Counter, then: float, now: float) -> bool:
    """Whether the window of then is over: what it is owed is over, too."""
    return counter.kind == "window" and window_start(counter.period, now) > then
