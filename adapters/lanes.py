"""One budget of an upstream, as one worker sees it: what it is known to be, and the calls that wait for a part of it."""

import asyncio
import itertools
import math
import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.contracts import WAIT_BOUNDS, Dropped, Outbound, Priority
from app.errors import Failure, UpstreamLimited
from app.limits.counters import Counter, Counters, Demand, Verdict, part
from app.pace import Caution, Pace
from app.queueing import SHARES, FairQueue, Ticket
from app.ratelimit_headers import MOST, Limits, Measure

MEASURES: tuple[Measure, ...] = ("requests", "tokens")
LEAST_MISSING = 0.5
"""By how much the counts here must be behind those of the upstream, which tells whole numbers."""
LOOK_SECONDS = 1.0
"""How often who waits looks whether others have changed what there is."""
SMOOTHING = 0.2
FEWEST = 3
"""How fast calls really go is believed once so many have gone; other workers use the same budget."""
SLOWEST = 10
"""A gap longer than so many at the limit's own pace was a pause, and says nothing about the pace."""


@dataclass(frozen=True, slots=True)
class Budget:
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
class Tally:
    """What has been seen since the start."""

    waits: dict[Priority, list[int]] = field(
        default_factory=lambda: {each: [0] * (len(WAIT_BOUNDS) + 1) for each in SHARES}
    )
    seconds: dict[Priority, float] = field(default_factory=lambda: dict.fromkeys(SHARES, 0.0))
    dropped: dict[Dropped, int] = field(
        default_factory=lambda: dict.fromkeys(("late", "expired", "full", "displaced", "hedge"), 0)
    )
    over_limit: int = 0

    def wait(self, priority: Priority, seconds: float) -> None:
        self.waits[priority][bisect_left(WAIT_BOUNDS, seconds)] += 1
        self.seconds[priority] += seconds


@dataclass(slots=True)
class Grant:
    """What a call was given of the budget; given back once."""

    demands: Sequence[Demand]
    lease: str
    verdict: Verdict
    asked: float
    granted: int


@dataclass(eq=False, slots=True)
class _Waiter:
    """A call that waits for its turn."""

    turn: "asyncio.Future[Grant | None]"
    tokens: int
    since: float


class Lane:
    """One budget, as this worker sees it, and the calls that wait for it."""

    def __init__(self, budget: Budget, suffix: str, counters: Counters, tally: Tally) -> None:
        self._budget = budget
        self._suffix = suffix
        self._counters = counters
        self._tally = tally
        self._paces: Mapping[Measure, Pace] = {
            "requests": Pace(self._budget.requests),
            "tokens": Pace(self._budget.tokens),
        }
        self._caution = Caution()
        self.limited = self._budget.requests is not None or self._budget.tokens is not None
        """Whether there is a limit, or was one."""
        self._owed = 0.0
        """The part of a request that calls have become dearer by and did not take yet."""
        self.granted = 0
        """How many calls were let go."""
        self.written_tokens = 0
        """How many tokens the answers may have that are being written, of calls whose tokens are counted."""
        self._running = 0
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._pump: asyncio.Task[None] | None = None
        self._sleep: asyncio.Future[None] | None = None
        self._ready = 0.0
        """Before this moment the budget has nothing, as far as is known."""
        self._last_used: dict[str, tuple[float, float]] = {}
        """How much of each counter was used when one looked last, and when that was."""
        self._last_turn = 0.0
        self._turns = 0
        self._gap_seconds = 0.0
        self._correcting: asyncio.Task[None] | None = None
        self._told_limits: dict[Measure, int] = {}
        self._untold: dict[Measure, int] = {}
        """Limits that the upstream has told, and those of them that the other workers are not told yet."""
        self._telling: asyncio.Task[None] | None = None
        self._learnt = -math.inf
        self._closed = False

    # What is seen

    @property
    def busy(self) -> bool:
        return bool(self._queue) or self._running > 0

    def waiting(self, priority: Priority) -> int:
        return self._queue.waiting(priority)

    def counts(self, measure: Measure) -> bool:
        return self._limit(measure) is not None

    def pace(self, measure: Measure) -> int | None:
        """How much is asked for in a minute: the limit in force, less what caution takes."""
        limit = self._limit(measure)
        return None if limit is None else max(1, int(limit * self._caution.share(_now())))

    # What a call does

    async def enter(self, outbound: Outbound) -> Grant | None:
        """Hold a part of the budget; None where there is no limit. Raises UpstreamLimited where that cannot be in time."""
        self._running += 1
        try:
            return await self._admit(outbound)
        except BaseException:
            self._running -= 1
            raise

    async def _admit(self, outbound: Outbound) -> Grant | None:
        demands = self._demands(outbound.tokens)
        if not demands:
            return None
        began = _now()
        grant = None if self._queue else await self._take(demands)
        if grant is None:
            return await self._wait(outbound)
        self._tally.wait(outbound.priority, _now() - began)
        return grant

    def leave(self, grant: Grant | None, tokens: int, *, sent: bool = True) -> None:
        """The call is over and has used so many tokens; one that was not `sent` took nothing."""
        self._running -= 1
        if grant is not None:
            self._settle(grant, tokens, sent=sent)

    async def refused(self, grant: Grant | None, pause_seconds: float | None) -> None:
        """The upstream said 429, and when to come again: until then nobody has a part in the budget."""
        self._running -= 1
        if grant is None:
            return
        missing = 0
        now = _now()
        self._caution.refuse(grant.asked, now)
        try:
            if pause_seconds is not None:
                counter = grant.demands[0][0]
                limit = part(counter, self._counters.share)
                full = limit - 1 + pause_seconds * limit / 60  # so that one more may go after that time
                missing = max(0, math.ceil(full - await self._look(counter)))
                self._ready = max(self._ready, now + pause_seconds)
        finally:
            self._settle(grant, 0, more=missing)

    def hear(self, limits: Limits, asked: float, granted: int) -> None:
        """What an answer said of the upstream's limits; its call was asked at this moment, with so many let go before."""
        now = _now()
        before = [self._limit(measure) for measure in MEASURES]
        end = math.inf if limits.window_seconds is None else now + limits.window_seconds
        for measure in MEASURES:
            level = limits.of(measure)
            if level is not None:
                if self._told_limits.get(measure) != level.limit and self._counters.share == 1:
                    self._told_limits[measure] = self._untold[measure] = level.limit
                self._paces[measure].hear(level, end, asked, granted if measure == "requests" else 0)
                self.limited = True
        if limits.over_limit:
            self._tally.over_limit += 1
            self._caution.warn(asked, now)
        if self._is_short(now) and self._correcting is None and not self._closed:
            self._correcting = asyncio.ensure_future(self._correct())
        if self._untold and self._telling is None and not self._closed:
            self._telling = asyncio.ensure_future(self._tell())
        if before != [self._limit(measure) for measure in MEASURES]:
            self._wake()

    async def close(self) -> None:
        """Nobody is let go any more."""
        self._closed = True
        tasks = [task for task in (self._pump, self._correcting, self._telling) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The budget

    def _name(self, measure: Measure) -> str:
        return f"upstream:{self._budget.name}{self._suffix}:{measure}"

    def _measure(self, counter: Counter) -> Measure:
        return "requests" if counter.name == self._name("requests") else "tokens"

    def _limit(self, measure: Measure) -> int | None:
        return self._paces[measure].limit(_now())

    def _counter(self, measure: Measure) -> Counter | None:
        limit = self._limit(measure)
        return None if limit is None else Counter(self._name(measure), "bucket", limit)

    def _demands(self, tokens: int) -> Sequence[Demand]:
        """What a call takes of the budget: somewhat more of it than it asks for, where caution makes calls dearer. So
        they become fewer, and what the budget holds stays as it is.
        """
        dearer = 1 / self._caution.share(_now())
        demands = []
        for measure in MEASURES:
            counter = self._counter(measure)
            if counter is not None:  # more than the whole limit counts as the whole
                amount = int(dearer + self._owed) if measure == "requests" else math.ceil(tokens * dearer)
                demands.append((counter, min(amount, counter.limit)))
        return demands

    async def _take(self, demands: Sequence[Demand]) -> Grant | None:
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
            self._ready = now + verdict.wait_seconds
            return None
        self._ready = now
        self.granted += 1
        counter, amount = demands[0]
        if self._measure(counter) == "requests":
            self._owed = max(0.0, self._owed + 1 / self._caution.share(now) - amount)
        return Grant(demands, lease, verdict, now, self.granted)

    def _settle(self, grant: Grant, tokens: int, *, sent: bool = True, more: int = 0) -> None:
        """Say what was used of a grant, and how much `more` of the first of its counters is not to be had."""
        self.granted -= not sent
        dearer = 1 / self._caution.share(_now())
        spent = [
            (amount if self._measure(counter) == "requests" else math.ceil(tokens * dearer)) if sent else 0
            for counter, amount in grant.demands
        ]
        spent[0] = grant.demands[0][1] + more if more else spent[0]
        self._counters.give(grant.demands, spent, grant.lease, grant.verdict)
        if self._queue and any(less < amount for less, (_, amount) in zip(spent, grant.demands, strict=True)):
            self._wake()

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
            limit = self._limit(measure)
            if limit is not None:
                used, at = self._last_used.get(self._name(measure), (0.0, now))
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

    async def _tell(self) -> None:
        """Tell the other workers of the limits that the upstream has told this one."""
        try:
            while self._untold:
                measure, limit = self._untold.popitem()
                counter = _shared_limit(Counter(self._name(measure), "bucket", limit))
                known = round(await self._look(counter))
                lease = _lease()
                # Raised only from what it was, so that two who tell the same do not add it up.
                demand = (replace(counter, limit=limit), limit - known) if limit > known else (counter, 0)
                verdict = await self._counters.take([demand], lease)
                if verdict.refused is None:
                    self._counters.give([demand], [limit - known], lease, verdict)
        except Failure:
            self._untold.clear()  # who counts is gone, and says so elsewhere
        finally:
            self._telling = None

    async def _look(self, counter: Counter) -> float:
        """How much of it is used now."""
        lease = _lease()
        verdict = await self._counters.take([(counter, 0)], lease)
        if verdict.refused is None:
            self._counters.give([(counter, 0)], [0], lease, verdict)
        return verdict.used[0]

    async def _correct(self) -> None:
        """Count what others used of the same account, as far as the upstream says so."""
        try:
            demands = [(counter, 0) for counter, _ in self._demands(0)]
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
            used = [each + more for each, more in zip(verdict.used, missing, strict=True)]
            self._note(demands, used, now)
        except Failure:
            pass  # who counts is gone, and says so elsewhere
        finally:
            self._correcting = None

    # The queue

    async def _wait(self, outbound: Outbound) -> Grant | None:
        loop = asyncio.get_running_loop()
        latest = min(outbound.first_by, outbound.deadline)
        ticket = self._place(outbound, latest)
        waiter = ticket.item
        timer = loop.call_at(latest, self._expire, ticket) if math.isfinite(latest) else None
        try:
            grant = await waiter.turn
        except asyncio.CancelledError:
            if self._queue.remove(ticket):
                self._wake_if_empty()
            elif waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self._give_back(waiter.turn.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()
        self._tally.wait(outbound.priority, loop.time() - waiter.since)
        return grant

    def _give_back(self, grant: Grant | None) -> None:
        if grant is not None:
            self._settle(grant, 0, sent=False)

    def _place(self, outbound: Outbound, latest: float) -> Ticket[_Waiter]:
        """A place in the queue. Raises UpstreamLimited where it would be of no use, or there is none."""
        now = _now()
        seconds, left = self._wait_seconds(outbound, now), latest - now
        if outbound.hedge:
            raise self._dropped("hedge", seconds, "a second attempt does not wait for it.")
        if seconds >= left:
            said = f"this call would wait {seconds:.1f} s, and has {max(left, 0.0):.1f} s."
            raise self._dropped("late", seconds, said)
        if len(self._queue) >= self._budget.queue:
            last = self._queue.displaced(outbound.priority)
            if last is None:
                said = f"{len(self._queue)} calls wait already, the most that may."
                raise self._dropped("full", seconds, said)
            self._drop(last, self._dropped("displaced", seconds, "calls of a higher priority wait."))
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), outbound.tokens, now)
        ticket = self._queue.put(waiter, outbound.priority, outbound.caller, outbound.weight)
        if self._pump is None and not self._closed:
            self._last_turn, self._turns, self._gap_seconds = now, 0, 0.0
            self._pump = loop.create_task(self._let_go())
        return ticket

    def _wait_seconds(self, outbound: Outbound, now: float) -> float:
        """How long a call that comes now would wait, about."""
        ahead = self._queue.ahead(outbound.priority, outbound.caller, outbound.weight)
        turns = {
            self._measure(counter): amount * 60 / part(counter, self._counters.share)
            for counter, amount in self._demands(outbound.tokens)
        }
        if self._turns >= FEWEST:  # better than a guess that all others are as large as this one
            turns["tokens"] = self._gap_seconds
        a_turn = max(turns.values(), default=0.0)
        return max(0.0, self._ready - now) + ahead * a_turn

    def _dropped(self, reason: Dropped, seconds: float, said: str) -> UpstreamLimited:
        self._tally.dropped[reason] += 1
        failure = UpstreamLimited(
            f"The upstream's rate limit is used up: {said}",
            detail=f"not asked: {reason}",
            headers={"retry-after": str(max(1, math.ceil(seconds)))},
        )
        failure.blameless = True
        return failure

    def _expire(self, ticket: Ticket[_Waiter]) -> None:
        waited = _now() - ticket.item.since
        seconds = max(0.0, self._ready - _now())
        self._drop(
            ticket,
            self._dropped("expired", seconds, f"this call waited {waited:.1f} s, all the time it had."),
        )

    def _drop(self, ticket: Ticket[_Waiter], failure: Failure) -> None:
        if self._queue.remove(ticket):
            if not ticket.item.turn.done():
                ticket.item.turn.set_exception(failure)
            self._wake_if_empty()

    async def _let_go(self) -> None:
        """Let one call after the other go, whenever the budget has room, until nobody waits."""
        try:
            await self._pause(
                min(self._ready, _now() + LOOK_SECONDS)
            )  # who waits has just been told that there is nothing
            while self._queue:
                demands = self._demands(self._queue.first().item.tokens)
                grant = await self._take(demands) if demands else None
                if grant is not None or not demands:
                    self._hand_over(grant)
                else:
                    await self._pause(min(self._ready, _now() + LOOK_SECONDS))
        except Failure as failure:
            while self._queue:
                waiter = self._queue.pop()
                if not waiter.turn.done():
                    waiter.turn.set_exception(failure)
        finally:
            self._pump = None

    def _hand_over(self, grant: Grant | None) -> None:
        """Give this part of the budget to whoever is next by now; tokens are settled when that call is over."""
        while self._queue:
            waiter = self._queue.pop()
            if not waiter.turn.done():  # else it has been cancelled, and does not know yet
                self._note_turn(_now())
                waiter.turn.set_result(grant)
                return
        self._give_back(grant)

    def _note_turn(self, now: float) -> None:
        limit = self._limit("requests")
        gap = now - self._last_turn
        self._last_turn = now
        if limit is None or gap <= SLOWEST * 60 / (limit * self._counters.share):
            self._turns += 1
            self._gap_seconds += (gap - self._gap_seconds) * (SMOOTHING if self._turns > 1 else 1.0)

    async def _pause(self, until: float) -> None:
        """Until this moment, or until something has changed."""
        loop = asyncio.get_running_loop()
        self._sleep = loop.create_future()
        timer = loop.call_at(until, self._wake)
        try:
            await self._sleep
        finally:
            timer.cancel()
            self._sleep = None

    def _wake(self) -> None:
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)

    def _wake_if_empty(self) -> None:
        if not self._queue:
            self._wake()


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
