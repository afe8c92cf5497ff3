"""What an upstream allows, as one worker knows it, and what is taken of it: together with all others that count it."""

import asyncio
import itertools
import math
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.limits.counters import Counter, Counters, Demand, Verdict, part
from app.pace import Caution, Pace
from app.ratelimit_headers import MOST, Limits, Measure

MEASURES: tuple[Measure, ...] = ("requests", "tokens")
LEAST_MISSING = 0.5
"""By how much the counts here must be behind those of the upstream, which tells whole numbers."""
LOOK_SECONDS = 1.0
"""How often one looks whether others have changed what there is."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is configured: limits a minute until the upstream says its own, and how many may wait.

    `per_model` says that the upstream counts each model apart; `unbounded_tokens` is what an answer without a bound is
    taken to have.
    """

    name: str
    requests: int | None = None
    tokens: int | None = None
    queue: int = 1000
    per_model: bool = False
    unbounded_tokens: int = 1024


@dataclass(slots=True)
class Grant:
    """What a call was given of the budget; given back once."""

    demands: Sequence[Demand]
    lease: str
    verdict: Verdict
    asked: float
    granted: int


class Budget:
    """A bucket of requests and one of tokens, each as large as the limit of a minute that is in force.

    `changed` is called where there may be more of it than before. Raises what the counters raise.
    """

    def __init__(
        self, allowed: Allowed, suffix: str, counters: Counters, changed: Callable[[], None]
    ) -> None:
        self._names: Mapping[Measure, str] = {
            measure: f"upstream:{allowed.name}{suffix}:{measure}" for measure in MEASURES
        }
        self._counters = counters
        self._changed = changed
        self._paces: Mapping[Measure, Pace] = {
            "requests": Pace(allowed.requests),
            "tokens": Pace(allowed.tokens),
        }
        self._caution = Caution()
        self.limited = allowed.requests is not None or allowed.tokens is not None
        """Whether there is a limit, or was one."""
        self.ready = 0.0
        """Before this moment it has nothing, as far as is known."""
        self.granted = 0
        """How many calls were let go."""
        self.written_tokens = 0
        """How many tokens the answers may have that are being written, of calls whose tokens are counted."""
        self.over_limit = 0
        """How many answers were given beyond the upstream's limit."""
        self._owed = 0.0
        """The part of a request that calls have become dearer by and did not take yet."""
        self._last_used: dict[str, tuple[float, float]] = {}
        """How much of each counter was used when one looked last, and when that was."""
        self._told_limits: dict[Measure, int] = {}
        self._untold: dict[Measure, int] = {}
        """Limits that the upstream has told, and those of them that the other workers are not told yet."""
        self._learnt = -math.inf
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """What is being corrected or told beside the calls."""
        self._closed = False

    def limit(self, measure: Measure) -> int | None:
        """The limit in force."""
        return self._paces[measure].limit(_now())

    def pace(self, measure: Measure) -> int | None:
        """How much is asked for in a minute: the limit in force, less what caution takes."""
        limit = self.limit(measure)
        return None if limit is None else max(1, int(limit * self._caution.share(_now())))

    def demands(self, tokens: int) -> Sequence[Demand]:
        """What a call takes: somewhat more than it asks for, where caution makes calls dearer. So they become fewer, and
        what the budget holds stays as it is. Nothing where there is no limit.
        """
        dearer = 1 / self._caution.share(_now())
        demands = []
        for measure in MEASURES:
            counter = self._counter(measure)
            if counter is not None:  # more than the whole limit counts as the whole
                amount = int(dearer + self._owed) if measure == "requests" else math.ceil(tokens * dearer)
                demands.append((counter, min(amount, counter.limit)))
        return demands

    async def take(self, demands: Sequence[Demand]) -> Grant | None:
        """A part of the budget, where it has so much now."""
        grant = await self._try(demands)
        if grant is None and await self._learns(demands):
            return await self._try([
                (self._counter(self._measure(each)) or each, amount) for each, amount in demands
            ])
        return grant

    async def _try(self, demands: Sequence[Demand]) -> Grant | None:
        lease = _lease()
        verdict = await self._counters.take(demands, lease)
        now = _now()
        self._note(demands, verdict.used, now)
        if verdict.refused is not None:
            self.ready = now + verdict.wait_seconds
            return None
        self.ready = now
        self.granted += 1
        counter, amount = demands[0]
        if self._measure(counter) == "requests":
            owed = self._owed + 1 / self._caution.share(now) - amount
            self._owed = min(max(owed, 0.0), 1.0)
        return Grant(demands, lease, verdict, now, self.granted)

    def settle(self, grant: Grant, tokens: int, *, sent: bool = True) -> None:
        """Say what was used of a grant."""
        self.granted -= not sent
        dearer = 1 / self._caution.share(_now())
        spent = [
            (amount if self._measure(counter) == "requests" else math.ceil(tokens * dearer)) if sent else 0
            for counter, amount in grant.demands
        ]
        self._counters.give(grant.demands, spent, grant.lease, grant.verdict)
        if any(less < amount for less, (_, amount) in zip(spent, grant.demands, strict=True)):
            self._changed()

    def refuse(self, grant: Grant, pause_seconds: float | None) -> None:
        """The upstream said 429 to this call, and when to come again: until then nobody gets anything."""
        now = _now()
        self._caution.refuse(grant.asked, now)
        self.settle(grant, 0)
        if pause_seconds is not None:
            counter = grant.demands[0][0]
            limit = part(counter, self._counters.share)
            self._counters.raise_to(
                counter, limit - 1 + pause_seconds * limit / 60
            )  # one more may go after that time
            self.ready = max(self.ready, now + pause_seconds)

    def hear(self, limits: Limits, asked: float, granted: int) -> None:
        """What an answer said of the upstream's limits; its call was asked at this moment, with so many let go before."""
        now = _now()
        before = [self.limit(measure) for measure in MEASURES]
        end = math.inf if limits.window_seconds is None else now + limits.window_seconds
        for measure in MEASURES:
            level = limits.of(measure)
            if level is not None:
                if self._told_limits.get(measure) != level.limit and self._counters.share == 1:
                    self._told_limits[measure] = self._untold[measure] = level.limit
                self._paces[measure].hear(level, end, asked, granted if measure == "requests" else 0)
                self.limited = True
        if limits.over_limit:
            self.over_limit += 1
            self._caution.warn(asked, now)
        if self._untold or self._is_short(now):
            self._beside("agree", self._agree)
        if before != [self.limit(measure) for measure in MEASURES]:
            self._changed()

    def wait_seconds(self, tokens: int, now: float) -> float:
        """How long a call of so many tokens would have to wait if it came next, as far as is known."""
        waits = [0.0]
        for counter, amount in self.demands(tokens):
            limit = part(counter, self._counters.share)
            used, at = self._last_used.get(counter.name, (0.0, now))
            waits.append((used + min(amount, limit) - limit) * 60 / limit - (now - at))
        return max(waits)

    def turn_seconds(self, tokens: int) -> Mapping[Measure, float]:
        """How long it takes until a call of so many tokens can go after another one, by each measure."""
        return {
            self._measure(counter): amount * 60 / part(counter, self._counters.share)
            for counter, amount in self.demands(tokens)
        }

    async def close(self) -> None:
        """Nothing goes on beside the calls any more."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _beside(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do this beside the calls, where it is not being done already."""
        if name not in self._tasks and not self._closed:
            task = self._tasks[name] = asyncio.ensure_future(work())
            task.add_done_callback(lambda _: self._tasks.pop(name))

    def _measure(self, counter: Counter) -> Measure:
        return "requests" if counter.name == self._names["requests"] else "tokens"

    def _counter(self, measure: Measure) -> Counter | None:
        limit = self.limit(measure)
        return None if limit is None else Counter(self._names[measure], "bucket", limit)

    def _note(self, demands: Sequence[Demand], used: Sequence[float], now: float) -> None:
        for (counter, _), each in zip(demands, used, strict=True):
            self._last_used[counter.name] = each, now

    def _told(self, measure: Measure, now: float) -> float:
        """How much is used by what the upstream says, and what is not in that: the requests since then, and the answers
        that are still written, which it counts when they are over.
        """
        since = self.granted if measure == "requests" else self.written_tokens
        return self._paces[measure].used(now, since) * self._counters.share

    def _is_short(self, now: float) -> bool:
        """Whether more seems to be used at the upstream than is known here, by more than counts are off by."""
        for measure in MEASURES:
            limit = self.limit(measure)
            if limit is not None:
                used, at = self._last_used.get(self._names[measure], (0.0, now))
                limit = max(1, int(limit * self._counters.share))
                known = max(0.0, used - (now - at) * limit / 60)
                if self._told(measure, now) - known > LEAST_MISSING:
                    return True
        return False

    async def _learns(self, demands: Sequence[Demand]) -> bool:
        """Whether others have been told of a larger limit: they use more than the one that is known here."""
        now = _now()
        if now < self._learnt + LOOK_SECONDS:
            return False
        learns = False
        for counter, _ in demands:
            if self._last_used[counter.name][0] > part(counter, self._counters.share):
                self._learnt = now
                told = round(await self._look(_shared_limit(counter)))
                if told > counter.limit:
                    self._paces[self._measure(counter)].raise_to(told, now)
                    learns = True
        return learns

    async def _agree(self) -> None:
        """Bring what the upstream has told to what is counted here, and to the other workers."""
        while self._untold:
            await self._tell(*self._untold.popitem())
        await self._correct()

    async def _tell(self, measure: Measure, limit: int) -> None:
        """Tell the other workers of a limit.

        It is raised only from what it was, so that of two who tell the same one does. That one also takes what it has
        grown by: at the upstream nothing comes back faster for that, so until then there is no more than before.
        """
        bucket = Counter(self._names[measure], "bucket", limit)
        counter = _shared_limit(bucket)
        known = round(await self._look(counter))
        grown = limit - known
        lease = _lease()
        if grown <= 0:
            verdict = await self._counters.take([(counter, 0)], lease)
            self._counters.give([(counter, 0)], [grown], lease, verdict)
            return
        demands = [(replace(counter, limit=limit), grown), *([(bucket, grown)] if known else [])]
        verdict = await self._counters.take(demands, lease)
        if verdict.refused is None:
            self._counters.give(demands, [grown] * len(demands), lease, verdict)

    async def _look(self, counter: Counter) -> float:
        """How much of it is used now."""
        lease = _lease()
        verdict = await self._counters.take([(counter, 0)], lease)
        if verdict.refused is None:
            self._counters.give([(counter, 0)], [0], lease, verdict)
        return verdict.used[0]

    async def _correct(self) -> None:
        """Count what others used of the same account, as far as the upstream says so."""
        demands = [(counter, 0) for counter, _ in self.demands(0)]
        if not demands:
            return
        lease = _lease()
        verdict = await self._counters.take(demands, lease)
        now = _now()
        self._note(demands, verdict.used, now)
        if verdict.refused is not None:  # nothing is left as it is
            return
        missing = [
            max(0, round(self._told(self._measure(counter), now) - used))
            for (counter, _), used in zip(demands, verdict.used, strict=True)
        ]
        self._counters.give(demands, missing, lease, verdict)
        self._note(demands, [each + more for each, more in zip(verdict.used, missing, strict=True)], now)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _shared_limit(counter: Counter) -> Counter:
    """What tells all workers of a limit: how much of it is "used" is the limit. Forgotten with the month."""
    return Counter(f"{counter.name}:limit", "window", MOST, "month")


_names = itertools.count()
_worker = os.urandom(6).hex()


def _lease() -> str:
    """A name that no other call has."""
    return f"{_worker}-pace-{next(_names)}"
