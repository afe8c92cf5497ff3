"""The calls that wait for a part of one budget, in this worker."""

import asyncio
import math
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, field

from adapters.budgets import LOOK_SECONDS, Allowed, Budget, Ration
from app.contracts import WAIT_BOUNDS, Dropped, Outbound, Priority
from app.errors import UpstreamLimited
from app.limits.counters import Counters
from app.pace import SMOOTHING, Rhythm
from app.queueing import SHARES, FairQueue, Ticket

SLOWEST = 10
"""A gap longer than so many at the limit's own pace was a pause, and says nothing about the pace."""


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

    def wait(self, priority: Priority, seconds: float) -> None:
        self.waits[priority][bisect_left(WAIT_BOUNDS, seconds)] += 1
        self.seconds[priority] += seconds


@dataclass(eq=False, slots=True)
class _Waiter:
    """A call that waits for its turn, until the latest moment; a `failure` is what it is told instead."""

    tokens: int
    since: float
    latest: float
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    failure: UpstreamLimited | None = None


class Lane:
    """Lets calls go at the pace of a budget, of whom not all can at once; `tally` counts how long they wait, and who may
    not. The first of those that wait looks for room, and wakes the next when it goes or leaves.
    """

    def __init__(self, allowed: Allowed, suffix: str, counters: Counters, tally: Tally) -> None:
        self.budget = Budget(allowed, suffix, counters, self._wake_first)
        self._most = allowed.queue
        self._tally = tally
        self._running = 0
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._rhythm = Rhythm(0.0)
        self._answer_seconds = {True: 0.0, False: 0.0}
        """How long answers take, of streams to their first content."""

    @property
    def busy(self) -> bool:
        return bool(self._queue) or self._running > 0

    def waiting(self, priority: Priority) -> int:
        return self._queue.waiting(priority)

    async def enter(self, outbound: Outbound) -> Ration | None:
        """Hold a part of the budget; None where there is no limit. Raises UpstreamLimited where that cannot be in time."""
        self._running += 1
        try:
            ration = await self._admit(outbound)
        except BaseException:
            self._running -= 1
            raise
        self.budget.written_tokens += outbound.answer_tokens
        return ration

    def leave(self, outbound: Outbound, ration: Ration | None, tokens: int, *, sent: bool = True) -> None:
        """The call is over and has used so many tokens; one that was not `sent` took nothing."""
        self._end(outbound)
        if ration is not None:
            self.budget.settle(ration, tokens, sent=sent)

    def refused(self, outbound: Outbound, ration: Ration | None, pause_seconds: float | None) -> None:
        """The upstream said 429, and when to come again."""
        self._end(outbound)
        if ration is not None:
            self.budget.refuse(ration, pause_seconds)
            self._tell_those_too_late()

    def answered(self, outbound: Outbound, seconds: float) -> None:
        """It had its first content, or all of it, so long after it was asked for: those that wait are kept so much time."""
        self._answer_seconds[outbound.stream] += (seconds - self._answer_seconds[outbound.stream]) * SMOOTHING

    async def close(self) -> None:
        await self.budget.close()

    def _end(self, outbound: Outbound) -> None:
        self._running -= 1
        self.budget.written_tokens -= outbound.answer_tokens

    async def _admit(self, outbound: Outbound) -> Ration | None:
        demands = self.budget.demands(outbound.tokens)
        if not demands:
            return None
        began = _now()
        ration = None if self._queue else await self.budget.take(demands)
        if ration is None:
            ration = await self._wait(outbound)
        self._tally.wait(outbound.priority, _now() - began)
        return ration

    async def _wait(self, outbound: Outbound) -> Ration | None:
        latest = self._latest(outbound, _now())
        ticket = self._place(outbound, latest)
        waiter = ticket.item
        try:
            async with asyncio.timeout_at(latest if math.isfinite(latest) else None):
                return await self._turn(ticket)
        except TimeoutError:
            raise waiter.failure or self._expired(waiter) from None
        finally:
            self._queue.remove(ticket)
            self._wake_first()

    async def _turn(self, ticket: Ticket[_Waiter]) -> Ration | None:
        """A part of the budget, once it is first and there is room. Raises what it is told instead."""
        waiter = ticket.item
        while waiter.failure is None:
            waiter.woken.clear()
            look = None
            if self._queue.first() is ticket:
                demands = self.budget.demands(waiter.tokens)
                ration = await self.budget.take(demands) if demands else None
                if (ration or not demands) and self._queue.go(ticket):
                    self._rhythm.turn(_now(), SLOWEST * self.budget.turn_seconds(0).get("requests", math.inf))
                    return ration
                if ration is not None:  # it was told to leave meanwhile
                    self.budget.settle(ration, 0, sent=False)
                look = min(self.budget.ready, _now() + LOOK_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look):
                    await waiter.woken.wait()
        raise waiter.failure

    def _latest(self, outbound: Outbound, now: float) -> float:
        """Until when it may wait: what answers take, but at most half of the time it has, is kept for its own."""
        end = min(outbound.first_by, outbound.deadline)
        return end - min(self._answer_seconds[outbound.stream], max(0.0, end - now) / 2)

    def _place(self, outbound: Outbound, latest: float) -> Ticket[_Waiter]:
        """A place in the queue. Raises UpstreamLimited where it would be of no use, or there is none."""
        now = _now()
        seconds, left = self._wait_seconds(outbound, now), latest - now
        if outbound.hedge:
            raise self._dropped("hedge", seconds, "a second attempt does not wait for it.")
        if not self._queue:
            self._rhythm = Rhythm(now)
        waiter = _Waiter(outbound.tokens, now, latest)
        ticket = self._queue.put(waiter, outbound.priority, outbound.caller, outbound.weight)
        if self._queue.first() is ticket:  # what the others need does not hold it up
            seconds = self.budget.wait_seconds(outbound.tokens, now)
        if seconds >= left:
            self._queue.remove(ticket)
            said = f"this call would wait {seconds:.1f} s, and has {max(left, 0.0):.1f} s."
            raise self._dropped("late", seconds, said)
        if len(self._queue) > self._most:
            self._make_room(ticket, seconds)
        return ticket

    def _make_room(self, ticket: Ticket[_Waiter], seconds: float) -> None:
        """One of a lower priority leaves for it. Raises UpstreamLimited where there is none."""
        last = self._queue.displaced(ticket.priority)
        if last is None:
            self._queue.remove(ticket)
            said = f"{len(self._queue)} calls wait already, the most that may."
            raise self._dropped("full", seconds, said)
        self._tell(last, self._dropped("displaced", seconds, "calls of a higher priority wait."))

    def _wait_seconds(self, outbound: Outbound, now: float) -> float:
        """How long a call that comes now would wait, about."""
        ahead = self._queue.ahead(outbound.priority, outbound.caller, outbound.weight)
        turns = dict(self.budget.turn_seconds(outbound.tokens))
        if (
            self._rhythm.gap_seconds is not None
        ):  # better than a guess that all others are as large as this one
            turns["tokens"] = self._rhythm.gap_seconds
        a_turn = max(turns.values(), default=0.0)
        return max(0.0, self.budget.ready - now) + ahead * a_turn

    def _dropped(self, reason: Dropped, seconds: float, said: str) -> UpstreamLimited:
        self._tally.dropped[reason] += 1
        failure = UpstreamLimited(
            f"The upstream's rate limit is used up: {said}",
            detail=f"not asked: {reason}",
            headers={"retry-after": str(max(1, math.ceil(seconds)))},
        )
        failure.blameless = True
        return failure

    def _expired(self, waiter: _Waiter) -> UpstreamLimited:
        now = _now()
        said = f"this call waited {now - waiter.since:.1f} s, all the time it had."
        return self._dropped("expired", max(0.0, self.budget.ready - now), said)

    def _tell_those_too_late(self) -> None:
        """Nobody gets anything until the budget is ready again: who has less time than that need not wait for it."""
        now, ready = _now(), self.budget.ready
        for ticket in [ticket for ticket in self._queue if ticket.item.latest <= ready]:
            said = f"this call would wait {ready - now:.1f} s, and has {ticket.item.latest - now:.1f} s."
            self._tell(ticket, self._dropped("late", ready - now, said))

    def _tell(self, ticket: Ticket[_Waiter], failure: UpstreamLimited) -> None:
        """Let one wait no more, and tell it why."""
        self._queue.remove(ticket)
        ticket.item.failure = failure
        ticket.item.woken.set()
        self._wake_first()

    def _wake_first(self) -> None:
        if self._queue:
            self._queue.first().item.woken.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
