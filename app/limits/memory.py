"""Counters in this process."""

import math
import time
from collections.abc import Callable, Sequence

from app.limits.counters import BUCKET_SECONDS, Counter, Demand, Verdict, window_end, window_start

SWEEP = 4096
"""After so many takes, counters that are empty are forgotten."""


class Memory:
    """Counts what this process admits. `clock` tells seconds since 1970.

    `share` is this process's part of every limit, where others admit the rest: each limit is that much smaller here, but
    at least 1. A call that asks for more than the part, though not for more than the limit, is admitted when nothing of
    the part is used.
    """

    def __init__(self, share: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self._share = share
        self._clock = clock
        self._counts: dict[str, tuple[Counter, float, float]] = {}
        """Of buckets and windows: what was used, and when that was so (a window's beginning)."""
        self._leases: dict[str, set[str]] = {}
        self._empty_at: dict[str, float] = {}
        self._takes = 0

    gone = False

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        now = self._clock()
        used = [self._used(counter, now) for counter, _ in demands]
        for index, (counter, amount) in enumerate(demands):
            limit = self._limit(counter)
            if amount > counter.limit:
                return self._verdict(demands, used, now, index, math.inf)
            if used[index] + min(amount, limit) > limit:
                wait = wait_seconds(counter, limit, used[index] + min(amount, limit), now)
                return self._verdict(demands, used, now, index, wait)
        for index, (counter, amount) in enumerate(demands):
            used[index] += amount
            if counter.kind == "slots":
                self._leases.setdefault(counter.name, set()).add(lease)
            else:
                self._set(counter, used[index], now)
        self._sweep(now)
        return self._verdict(demands, used, now)

    def give(self, demands: Sequence[Demand], used: Sequence[int], lease: str, verdict: Verdict) -> None:
        now = self._clock()
        for (counter, amount), spent in zip(demands, used, strict=True):
            if counter.kind == "slots":
                self._free(counter.name, lease)
            elif spent != amount and not _is_past(counter, verdict.now, now):
                self._set(counter, max(0.0, self._used(counter, now) + spent - amount), now)

    def spent(self) -> Sequence[tuple[Counter, float, float]]:
        """What is used now of each bucket and window, and the time."""
        now = self._clock()
        levels = [(counter, self._used(counter, now), now) for counter, _, _ in self._counts.values()]
        return [level for level in levels if level[1]]

    def _limit(self, counter: Counter) -> float:
        return counter.limit if self._share == 1 else max(1, int(counter.limit * self._share))

    def _used(self, counter: Counter, now: float) -> float:
        if counter.kind == "slots":
            return len(self._leases.get(counter.name, ()))
        known = self._counts.get(counter.name)
        if known is None:
            return 0.0
        _, used, at = known
        if counter.kind == "window":
            return used if at == window_start(counter.period, now) else 0.0
        return max(0.0, used - max(0.0, now - at) * self._limit(counter) / BUCKET_SECONDS[counter.period])

    def _set(self, counter: Counter, used: float, now: float) -> None:
        at = window_start(counter.period, now) if counter.kind == "window" else now
        self._counts[counter.name] = (counter, used, at)
        self._empty_at[counter.name] = now + reset_seconds(counter, self._limit(counter), used, now)

    def _free(self, name: str, lease: str) -> None:
        held = self._leases.get(name)
        if held is not None:
            held.discard(lease)
            if not held:
                del self._leases[name]

    def _verdict(
        self,
        demands: Sequence[Demand],
        used: Sequence[float],
        now: float,
        refused: int | None = None,
        wait: float = 0.0,
    ) -> Verdict:
        resets = [
            reset_seconds(counter, self._limit(counter), each, now)
            for (counter, _), each in zip(demands, used, strict=True)
        ]
        if self._share != 1:  # as seen from the whole limit: what is left is what is left of the share
            used = [
                counter.limit - self._limit(counter) + each
                for (counter, _), each in zip(demands, used, strict=True)
            ]
        return Verdict(refused, wait, used, resets, now)

    def _sweep(self, now: float) -> None:
        self._takes += 1
        if self._takes % SWEEP:
            return
        for name in [name for name, at in self._empty_at.items() if at <= now]:
            del self._empty_at[name], self._counts[name]


def wait_seconds(counter: Counter, limit: float, wanted: float, now: float) -> float:
    """When so much may be used, taken together: a second where that hangs on other calls."""
    if counter.kind == "slots":
        return 1.0
    if counter.kind == "window":
        return window_end(counter.period, now) - now
    return (wanted - limit) * BUCKET_SECONDS[counter.period] / limit


def reset_seconds(counter: Counter, limit: float, used: float, now: float) -> float:
    """When the counter is empty again."""
    if counter.kind == "slots":
        return 0.0
    if counter.kind == "window":
        return window_end(counter.period, now) - now
    return used * BUCKET_SECONDS[counter.period] / limit


def _is_past(counter: Counter, then: float, now: float) -> bool:
    """Whether the window of then is over: what it is owed is over, too."""
    return counter.kind == "window" and window_start(counter.period, then) != window_start(
        counter.period, now
    )
