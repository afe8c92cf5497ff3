"""Counters that go on while Redis is gone: each worker admits a bounded share by itself, and tells Redis afterwards."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence

from app.errors import LimitsUnknown
from app.limits.counters import Counter, Demand, Gone, Verdict
from app.limits.memory import Memory
from app.limits.shared import Change, Shared

_log = logging.getLogger("hyperbridge")

LOOK_SECONDS = 0.25
"""How often a Redis that is gone is looked for."""
REMINDER_SECONDS = 60.0
"""How often the log says that it still is."""


class Surviving:
    """Redis while it answers; else this worker's share of each limit, or nothing where the share is 0.

    `share` is the worker's. What was admitted without Redis is charged there as soon as it is back. Over-admission is
    at most the sum of all workers' shares, for as long as Redis is gone. A `quiet` one leaves the log to another.
    """

    def __init__(
        self, shared: Shared, share: float, clock: Callable[[], float] = time.time, *, quiet: bool = False
    ) -> None:
        self._shared = shared
        self._share = share
        self._clock = clock
        self._alone: Memory | None = None
        self._taken: dict[str, Memory] = {}
        """Who admitted the calls that run and were admitted without Redis."""
        self._task: asyncio.Future[None] | None = None
        self._quiet = quiet
        self._said = -math.inf
        self._stopped = False

    @property
    def gone(self) -> bool:
        """Whether Redis is gone."""
        return self._alone is not None

    @property
    def share(self) -> float:
        return 1.0 if self._alone is None else self._share

    async def start(self) -> None:
        """Look whether Redis is there; a gateway starts without it, too."""
        try:
            await self._shared.probe()
        except Gone as gone:
            self._lose(gone)

    async def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._alone is not None:  # it may be there again by now
            self._charge(self._alone)

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        if self._alone is None:
            try:
                return await self._shared.take(demands, lease)
            except Gone as gone:
                self._lose(gone)
        alone = self._alone
        if alone is None:  # it came back meanwhile
            return await self.take(demands, lease)
        if not self._share:
            raise LimitsUnknown(
                "The gateway cannot count its limits at the moment, and admits nobody without.",
                headers={"retry-after": "1"},
            )
        verdict = await alone.take(demands, lease)
        if verdict.refused is None:
            self._taken[lease] = alone
        return verdict

    def give(self, demands: Sequence[Demand], used: Sequence[int], lease: str, verdict: Verdict) -> None:
        alone = self._taken.pop(lease, None)
        if alone is None:
            self._shared.give(demands, used, lease, verdict)
        elif alone is self._alone:
            alone.give(demands, used, lease, verdict)
        else:  # what it had reserved was charged when Redis came back
            self._shared.charge([
                Change(counter, spent - amount, amount, amount, verdict.now)
                for (counter, amount), spent in zip(demands, used, strict=True)
                if counter.kind != "slots" and spent != amount
            ])

    def raise_to(self, counter: Counter, level: float) -> None:
        (self._alone or self._shared).raise_to(counter, level)

    def lower_to(self, counter: Counter, level: float) -> None:
        (self._alone or self._shared).lower_to(counter, level)

    def _charge(self, alone: Memory) -> None:
        """Tell Redis what was used without it."""
        self._shared.charge([Change(counter, used, 0, 0, now) for counter, used, now in alone.spent()])

    def _lose(self, gone: Gone) -> None:
        if self._alone is None:
            self._alone = Memory(self._share, self._clock)
            if not self._stopped:
                self._task = asyncio.ensure_future(self._look_out(str(gone)))

    async def _look_out(self, why: str) -> None:
        """Wait until it is back, then charge what was used meanwhile."""
        while True:
            now = time.monotonic()
            if not self._quiet and now - self._said >= REMINDER_SECONDS:
                self._said = now
                left = (
                    f"each worker admits {self._share:.0%} of each limit"
                    if self._share
                    else "nobody is admitted"
                )
                _log.error("Redis is gone (%s): %s until it is back", why, left)
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._shared.probe()
            except Gone as gone:
                why = str(gone)
            else:
                break
        alone, self._alone = self._alone, None
        assert alone is not None
        self._charge(alone)
        if not self._quiet:
            _log.warning("Redis is back: limits are counted together again")
