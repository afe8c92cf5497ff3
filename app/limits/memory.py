"""Counters in this process."""

import math
import time
from collections.abc import Callable, Sequence

from app.limits.counters import BUCKET_SECONDS, Counter, Demand, Verdict, window_end, window_start

SWEEP = 4096
"""After so many takes, counters that are empty are forgotten."""


class Memory:
    """Counts what this process admits. `clock` tells seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[float, float]] = {}
        """Of buckets and windows: what was used, and when that was so (a window's beginning)."""
        self._leases: dict[str, set[str]] = {}
        self._empty_at: dict[str, float] = {}
        self._takes = 0

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        now = self._clock()
        used = [self._used(counter, now) for counter, _ in demands]
        for index, (counter, amount) in enumerate(demands):
            if used[index] + amount > counter.limit:
                wait = wait_seconds(counter, used[index], amount, now)
                return Verdict(index, wait, used, _resets(demands, used, now), now)
        for index, (counter, amount) in enumerate(demands):
            used[index] += amount
            if counter.kind == "slots":
                self._leases.setdefault(counter.name, set()).add(lease)
            else:
                self._set(counter, used[index], now)
        self._sweep(now)
        return Verdict(None, 0.0, used, _resets(demands, used, now), now)

    def give(self, demands: Sequence[Demand], used: Sequence[int], lease: str, verdict: Verdict) -> None:
        now = self._clock()
        for (counter, amount), spent in zip(demands, used, strict=True):
            if counter.kind == "slots":
                self._free(counter.name, lease)
            elif spent != amount and not (
                counter.kind == "window"
                and window_start(counter.period, verdict.now) != window_start(counter.period, now)
            ):  # what a past window is owed is past, too
                self._set(counter, max(0.0, self._used(counter, now) + spent - amount), now)

    def _used(self, counter: Counter, now: float) -> float:
        if counter.kind == "slots":
            return len(self._leases.get(counter.name, ()))
        used, at = self._counts.get(counter.name, (0.0, now))
        if counter.kind == "window":
            return used if at == window_start(counter.period, now) else 0.0
        return max(0.0, used - max(0.0, now - at) * counter.limit / BUCKET_SECONDS[counter.period])

    def _set(self, counter: Counter, used: float, now: float) -> None:
        window = counter.kind == "window"
        self._counts[counter.name] = (used, window_start(counter.period, now) if window else now)
        self._empty_at[counter.name] = now + reset_seconds(counter, used, now)

    def _free(self, name: str, lease: str) -> None:
        held = self._leases.get(name)
        if held is not None:
            held.discard(lease)
            if not held:
                del self._leases[name]

    def _sweep(self, now: float) -> None:
        self._takes += 1
        if self._takes % SWEEP:
            return
        for name in [name for name, at in self._empty_at.items() if at <= now]:
            del self._empty_at[name], self._counts[name]


def wait_seconds(counter: Counter, used: float, amount: int, now: float) -> float:
    """When so much more may be taken: infinite where it never may, a second where that hangs on other calls."""
    if amount > counter.limit:
        return math.inf
    if counter.kind == "slots":
        return 1.0
    if counter.kind == "window":
        return window_end(counter.period, now) - now
    return (used + amount - counter.limit) * BUCKET_SECONDS[counter.period] / counter.limit


def reset_seconds(counter: Counter, used: float, now: float) -> float:
    """When the counter is empty again."""
    if counter.kind == "slots":
        return 0.0
    if counter.kind == "window":
        return window_end(counter.period, now) - now
    return used * BUCKET_SECONDS[counter.period] / counter.limit


def _resets(demands: Sequence[Demand], used: Sequence[float], now: float) -> Sequence[float]:
    return [reset_seconds(counter, each, now) for (counter, _), each in zip(demands, used, strict=True)]
