"""An upstream behind its own rate limit: calls wait for the budget here, where the order is fair, and not for 429s there.

The budget is a bucket for requests and one for tokens, as the upstream itself has them, counted together with all
workers and hosts (`app.limits.counters`). What an upstream says of its limits is followed (`app.pace`); without any limit
a call goes straight through. Each worker lets its own calls go in a fair order (`app.queueing`).
"""

import asyncio
import itertools
import math
import os
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeAlias

from app import ratelimit_headers
from app.contracts import WAIT_BOUNDS, Answer, Dropped, Outbound, Priority, Queue, Upstream, Waits
from app.errors import Failure, UpstreamFailure, UpstreamLimited, UpstreamUnavailable
from app.estimate import BYTES_A_TOKEN
from app.limits.counters import Counter, Counters, Demand, Verdict
from app.pace import Caution, Pace
from app.queueing import SHARES, FairQueue, Ticket
from app.ratelimit_headers import Limits, Measure

MOST_LANES = 1000
"""Budgets kept of models that are counted apart."""
MEASURES: tuple[Measure, ...] = ("requests", "tokens")
ROUNDING = 0.02
"""A difference of so much of a limit between the counts here and there is none."""
SMOOTHING = 0.2
FEWEST = 3
"""How fast calls really go is believed once so many have gone; other workers use the same budget."""
SLOWEST = 10
"""A gap longer than so many at the limit's own pace was a pause, and says nothing about the pace."""

Valve: TypeAlias = Callable[[Outbound], tuple[Outbound, bool]]
"""Changes what is asked, and says whether it takes of the budget."""


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
class _Grant:
    """What a call was given of the budget; given back once."""

    demands: Sequence[Demand]
    lease: str
    verdict: Verdict
    asked: float
    granted: int


class Pacing:
    """An upstream that is not asked faster than it allows. Raises UpstreamLimited where a call cannot wait for its turn."""

    def __init__(
        self, upstream: Upstream, budget: Budget, counters: Counters, valve: Valve | None = None
    ) -> None:
        self.upstream = upstream
        self.budget = budget
        self.counters = counters
        self.valve = valve
        self.tally = Tally()
        self._leases = itertools.count()
        self._worker = os.urandom(6).hex()
        self._lanes: dict[str, Lane] = {}

    def open(self, outbound: Outbound) -> AbstractAsyncContextManager[Answer]:
        return _Held(self, outbound)

    def lane(self, model: str) -> "Lane":
        """The budget that this model's calls share, and who waits for it."""
        key = model if self.budget.per_model else ""
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= MOST_LANES:
                self._forget()
            lane = self._lanes[key] = Lane(self, f":{key}" if key else "")
        return lane

    def lease(self) -> str:
        """A name that no other call has."""
        return f"{self._worker}-pace-{next(self._leases)}"

    def unbounded_tokens(self, model: str) -> int | None:
        """How many tokens an answer without a bound is taken to have; None where tokens are not counted."""
        return self.budget.unbounded_tokens if self.lane(model).counts("tokens") else None

    def queue(self) -> Queue | None:
        """What is seen of it; None as long as there was no limit."""
        if not self.budget.per_model:
            self.lane("")
        lanes, tally = [lane for lane in self._lanes.values() if lane.limited], self.tally
        if not lanes:
            return None
        return Queue(
            {
                measure: min(limits)
                for measure in MEASURES
                if (limits := [limit for lane in lanes if (limit := lane.limit(measure)) is not None])
            },
            {priority: sum(lane.waiting(priority) for lane in lanes) for priority in SHARES},
            {each: Waits(tuple(tally.waits[each]), tally.seconds[each]) for each in SHARES},
            dict(tally.dropped),
            tally.over_limit,
        )

    async def close(self) -> None:
        for lane in self._lanes.values():
            await lane.close()

    def _forget(self) -> None:
        """Forget the budget that nobody has used for the longest time."""
        idle = next((key for key, lane in self._lanes.items() if not lane.busy), None)
        if idle is not None:
            del self._lanes[idle]


@dataclass(eq=False, slots=True)
class _Waiter:
    """A call that waits for its turn."""

    turn: "asyncio.Future[_Grant | None]"
    tokens: int
    since: float


class Lane:
    """One budget, as this worker sees it, and the calls that wait for it."""

    def __init__(self, pacing: Pacing, suffix: str) -> None:
        self._pacing = pacing
        self._budget = pacing.budget
        self._counters = pacing.counters
        self._tally = pacing.tally
        self._suffix = suffix
        self._paces: Mapping[Measure, Pace] = {
            "requests": Pace(self._budget.requests),
            "tokens": Pace(self._budget.tokens),
        }
        self._caution = Caution()
        self.limited = self._budget.requests is not None or self._budget.tokens is not None
        """Whether there is a limit, or was one."""
        self.granted = 0
        """How many calls were let go."""
        self._running = 0
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._pump: asyncio.Task[None] | None = None
        self._sleep: asyncio.Future[None] | None = None
        self._ready = 0.0
        """Before this moment the budget has nothing, as far as is known."""
        self._last_used: tuple[float, float] = (0.0, -math.inf)
        """How much of the first counter was used, and when that was so."""
        self._last_turn = 0.0
        self._turns = 0
        self._gap_seconds = 0.0
        self._correcting: asyncio.Task[None] | None = None
        self._closed = False

    # What is seen

    @property
    def busy(self) -> bool:
        return bool(self._queue) or self._running > 0

    def waiting(self, priority: Priority) -> int:
        return self._queue.waiting(priority)

    def counts(self, measure: Measure) -> bool:
        return self._paces[measure].limit(_now()) is not None

    def limit(self, measure: Measure) -> int | None:
        """The pace that is kept: the limit in force, less what caution takes."""
        now = _now()
        limit = self._paces[measure].limit(now)
        return None if limit is None else max(1, int(limit * self._caution.share(now)))

    # What a call does

    async def enter(self, outbound: Outbound) -> _Grant | None:
        """Hold a part of the budget; None where there is no limit. Raises UpstreamLimited where that cannot be in time."""
        self._running += 1
        try:
            return await self._admit(outbound)
        except BaseException:
            self._running -= 1
            raise

    async def _admit(self, outbound: Outbound) -> _Grant | None:
        demands = self._demands(outbound.tokens)
        if not demands:
            return None
        began = _now()
        grant = None if self._queue else await self._take(demands)
        if grant is None:
            return await self._wait(outbound)
        self._tally.wait(outbound.priority, _now() - began)
        return grant

    def leave(self, grant: _Grant | None, tokens: int, *, sent: bool = True) -> None:
        """The call is over and has used so many tokens; one that was not `sent` took nothing."""
        self._running -= 1
        if grant is not None:
            self._settle(grant, int(sent), tokens if sent else 0)

    async def refused(self, grant: _Grant | None, pause_seconds: float | None) -> None:
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
                full = (
                    counter.limit - 1 + pause_seconds * counter.limit / 60
                )  # so that one more may go after that time
                missing = max(0, math.ceil(full - await self._look(counter)))
                self._ready = max(self._ready, now + pause_seconds)
        finally:
            if grant.demands[0][0].name == self._name("requests"):
                self._settle(grant, 1 + missing, 0)
            else:
                self._settle(grant, 1, grant.demands[0][1] + missing)

    def hear(self, limits: Limits, asked: float, granted: int) -> None:
        """What an answer said of the upstream's limits; its call was asked at this moment, with so many let go before."""
        now = _now()
        before = [self.limit(measure) for measure in MEASURES]
        end = math.inf if limits.window_seconds is None else now + limits.window_seconds
        for measure in MEASURES:
            level = limits.of(measure)
            if level is not None:
                self._paces[measure].hear(level, end, asked, granted if measure == "requests" else 0)
                self.limited = True
        if limits.over_limit:
            self._tally.over_limit += 1
            self._caution.warn(asked, now)
        if self._is_short(now) and self._correcting is None and not self._closed:
            self._correcting = asyncio.ensure_future(self._correct())
        if before != [self.limit(measure) for measure in MEASURES]:
            self._wake()

    async def close(self) -> None:
        """Nobody is let go any more."""
        self._closed = True
        tasks = [task for task in (self._pump, self._correcting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The budget

    def _name(self, measure: Measure) -> str:
        return f"upstream:{self._budget.name}{self._suffix}:{measure}"

    def _demands(self, tokens: int) -> Sequence[Demand]:
        demands = []
        for measure in MEASURES:
            limit = self.limit(measure)
            if limit is not None:  # more than the whole limit counts as the whole
                amount = 1 if measure == "requests" else min(tokens, limit)
                demands.append((Counter(self._name(measure), "bucket", limit), amount))
        return demands

    async def _take(self, demands: Sequence[Demand]) -> _Grant | None:
        """A part of the budget, where it has so much now."""
        lease = self._pacing.lease()
        verdict = await self._counters.take(demands, lease)
        now = _now()
        if demands[0][0].name == self._name("requests"):
            self._last_used = verdict.used[0], now
        if verdict.refused is not None:
            self._ready = now + verdict.wait_seconds
            return None
        self._ready = now
        self.granted += 1
        return _Grant(demands, lease, verdict, now, self.granted)

    def _settle(self, grant: _Grant, requests: int, tokens: int) -> None:
        """Say what was used of a grant."""
        self.granted -= requests == 0
        spent = [
            requests if counter.name == self._name("requests") else tokens for counter, _ in grant.demands
        ]
        self._counters.give(grant.demands, spent, grant.lease, grant.verdict)
        if self._queue and any(less < amount for less, (_, amount) in zip(spent, grant.demands, strict=True)):
            self._wake()

    def _is_short(self, now: float) -> bool:
        """Whether more seems to be used at the upstream than is known here, by more than counts are off by."""
        limit = self.limit("requests")
        if limit is None:
            return False
        used, at = self._last_used
        known = max(0.0, used - (now - at) * limit / 60) if math.isfinite(at) else 0.0
        told = min(self._paces["requests"].used(now, self.granted), float(limit))
        return told - known > 1 + limit * ROUNDING

    async def _look(self, counter: Counter) -> float:
        """How much of it is used now."""
        lease = self._pacing.lease()
        verdict = await self._counters.take([(counter, 0)], lease)
        if verdict.refused is None:
            self._counters.give([(counter, 0)], [0], lease, verdict)
        return verdict.used[0]

    async def _correct(self) -> None:
        """Count what others used of the same account, as far as the upstream says so; at most until nothing is left."""
        try:
            limit = self.limit("requests")
            if limit is None:
                return
            demand = (Counter(self._name("requests"), "bucket", limit), 0)
            lease = self._pacing.lease()
            verdict = await self._counters.take([demand], lease)
            now = _now()
            self._last_used = verdict.used[0], now
            if verdict.refused is not None:  # nothing is left as it is
                return
            missing = min(self._paces["requests"].used(now, self.granted), float(limit)) - verdict.used[0]
            self._counters.give([demand], [max(0, int(missing))], lease, verdict)
            self._last_used = verdict.used[0] + max(0, int(missing)), now
        except Failure:
            pass  # who counts is gone, and says so elsewhere
        finally:
            self._correcting = None

    # The queue

    async def _wait(self, outbound: Outbound) -> _Grant | None:
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

    def _give_back(self, grant: _Grant | None) -> None:
        if grant is not None:
            self._settle(grant, 0, 0)

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
        paces = [limit for measure in MEASURES if (limit := self.limit(measure)) is not None]
        requests = self.limit("requests")
        a_turn = 60 / requests if requests is not None else 0.0
        tokens = self.limit("tokens")
        if tokens is not None:
            a_turn = max(a_turn, outbound.tokens * 60 / tokens)
        if self._turns >= FEWEST and paces:
            a_turn = max(a_turn, self._gap_seconds)
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
            await self._pause(self._ready)  # who waits has just been told that there is nothing
            while self._queue:
                demands = self._demands(self._queue.first().item.tokens)
                grant = await self._take(demands) if demands else None
                if grant is not None or not demands:
                    self._hand_over(grant)
                else:
                    await self._pause(self._ready)
        except Failure as failure:
            while self._queue:
                waiter = self._queue.pop()
                if not waiter.turn.done():
                    waiter.turn.set_exception(failure)
        finally:
            self._pump = None

    def _hand_over(self, grant: _Grant | None) -> None:
        """Give this part of the budget to whoever is next by now; tokens are settled when that call is over."""
        while self._queue:
            waiter = self._queue.pop()
            if not waiter.turn.done():  # else it has been cancelled, and does not know yet
                self._note_turn(_now())
                waiter.turn.set_result(grant)
                return
        self._give_back(grant)

    def _note_turn(self, now: float) -> None:
        limit = self.limit("requests")
        gap = now - self._last_turn
        self._last_turn = now
        if limit is None or gap <= SLOWEST * 60 / limit:
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


class _Held:
    """One call's answer, and its part of the budget."""

    __slots__ = ("_answer", "_grant", "_inner", "_lane", "_outbound", "_paced", "_pacing")

    def __init__(self, pacing: Pacing, outbound: Outbound) -> None:
        self._pacing = pacing
        self._outbound = outbound
        self._grant: _Grant | None = None

    async def __aenter__(self) -> Answer:
        pacing, outbound, metered = self._pacing, self._outbound, True
        if pacing.valve is not None:
            outbound, metered = pacing.valve(outbound)
        lane = self._lane = pacing.lane(outbound.model)
        self._paced = metered and lane.limited
        if self._paced:
            self._grant = await lane.enter(outbound)
        asked, granted = _now(), lane.granted
        try:
            self._inner = pacing.upstream.open(outbound)
            answer = self._answer = await self._inner.__aenter__()
        except UpstreamFailure as failure:
            await self._failed(failure, asked, granted)
            raise
        except BaseException:
            self._leave(self._prompt_tokens())
            raise
        if answer.reading.limits:
            lane.hear(ratelimit_headers.limits(answer.reading.limits), asked, granted)
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._inner.__aexit__(kind, error, trace)
        finally:
            if self._paced:
                self._leave(self._used_tokens())

    async def _failed(self, failure: UpstreamFailure, asked: float, granted: int) -> None:
        """There is no answer: what the budget is told of that."""
        said = ratelimit_headers.limits(failure.limits)
        if failure.limits:
            self._lane.hear(said, asked, granted)
        if not self._paced:
            return
        if isinstance(failure, UpstreamLimited) and failure.answered:
            pause = ratelimit_headers.pause_seconds(failure.headers.get("retry-after", ""), said)
            await self._lane.refused(self._grant, pause)
        elif failure.blameless or (isinstance(failure, UpstreamUnavailable) and not failure.answered):
            self._leave(0, sent=False)
        else:
            self._leave(0 if failure.answered else self._prompt_tokens())

    def _leave(self, tokens: int, *, sent: bool = True) -> None:
        if self._paced:
            self._lane.leave(self._grant, tokens, sent=sent)

    def _used_tokens(self) -> int:
        """What the upstream reported, or what came, and about what was sent."""
        reading = self._answer.reading
        usage = reading.usage
        if usage is None:
            return self._prompt_tokens() + reading.content_events
        written = usage.output_tokens
        return usage.input_tokens + (written if reading.finished else max(written, reading.content_events))

    def _prompt_tokens(self) -> int:
        return min(-(-len(self._outbound.body) // BYTES_A_TOKEN), self._outbound.tokens)


def _now() -> float:
    return asyncio.get_running_loop().time()
