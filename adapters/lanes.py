"""The calls that wait for a part of one budget, in this worker."""

import asyncio
import math
from bisect import bisect_left
from dataclasses import dataclass, field

from adapters.budgets import LOOK_SECONDS, Allowed, Budget, Grant
from app.contracts import WAIT_BOUNDS, Dropped, Outbound, Priority
from app.errors import Failure, UpstreamLimited
from app.limits.counters import Counters
from app.queueing import SHARES, FairQueue, Ticket

SMOOTHING = 0.2
FEWEST = 3
"""How fast calls really go is believed once so many have gone; other workers use the same budget."""
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
    """A call that waits for its turn."""

    turn: "asyncio.Future[Grant | None]"
    tokens: int
    since: float
    latest: float


class Lane:
    """Lets calls go at the pace of a budget, of whom not all can at once; `tally` counts how long they wait, and who may
    not.
    """

    def __init__(self, allowed: Allowed, suffix: str, counters: Counters, tally: Tally) -> None:
        self.budget = Budget(allowed, suffix, counters, self._wake)
        self._most = allowed.queue
        self._tally = tally
        self._running = 0
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._pump: asyncio.Task[None] | None = None
        self._sleep: asyncio.Future[None] | None = None
        self._last_turn = 0.0
        self._turns = 0
        self._gap_seconds = 0.0
        self._answer_seconds = {True: 0.0, False: 0.0}
        """How long answers take, of streams to their first content."""
        self._closed = False

    @property
    def busy(self) -> bool:
        return bool(self._queue) or self._running > 0

    def waiting(self, priority: Priority) -> int:
        return self._queue.waiting(priority)

    async def enter(self, outbound: Outbound) -> Grant | None:
        """Hold a part of the budget; None where there is no limit. Raises UpstreamLimited where that cannot be in time."""
        self._running += 1
        try:
            grant = await self._admit(outbound)
        except BaseException:
            self._running -= 1
            raise
        self.budget.written_tokens += outbound.answer_tokens
        return grant

    def leave(self, outbound: Outbound, grant: Grant | None, tokens: int, *, sent: bool = True) -> None:
        """The call is over and has used so many tokens; one that was not `sent` took nothing."""
        self._end(outbound)
        if grant is not None:
            self.budget.settle(grant, tokens, sent=sent)

    def refused(self, outbound: Outbound, grant: Grant | None, pause_seconds: float | None) -> None:
        """The upstream said 429, and when to come again."""
        self._end(outbound)
        if grant is not None:
            self.budget.refuse(grant, pause_seconds)
            self._tell_those_too_late()

    def answered(self, outbound: Outbound, seconds: float) -> None:
        """It had its first content, or all of it, so long after it was asked for: those that wait are kept so much time."""
        self._answer_seconds[outbound.stream] += (seconds - self._answer_seconds[outbound.stream]) * SMOOTHING

    async def close(self) -> None:
        """Nobody is let go any more."""
        self._closed = True
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        await self.budget.close()

    def _end(self, outbound: Outbound) -> None:
        self._running -= 1
        self.budget.written_tokens -= outbound.answer_tokens

    async def _admit(self, outbound: Outbound) -> Grant | None:
        demands = self.budget.demands(outbound.tokens)
        if not demands:
            return None
        began = _now()
        grant = None if self._queue else await self.budget.take(demands)
        if grant is None:
            return await self._wait(outbound)
        self._tally.wait(outbound.priority, _now() - began)
        return grant

    async def _wait(self, outbound: Outbound) -> Grant | None:
        loop = asyncio.get_running_loop()
        latest = self._latest(outbound, loop.time())
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

    def _latest(self, outbound: Outbound, now: float) -> float:
        """Until when it may wait: what answers take, but at most half of the time it has, is kept for its own."""
        end = min(outbound.first_by, outbound.deadline)
        return end - min(self._answer_seconds[outbound.stream], max(0.0, end - now) / 2)

    def _give_back(self, grant: Grant | None) -> None:
        if grant is not None:
            self.budget.settle(grant, 0, sent=False)

    def _place(self, outbound: Outbound, latest: float) -> Ticket[_Waiter]:
        """A place in the queue. Raises UpstreamLimited where it would be of no use, or there is none."""
        now = _now()
        seconds, left = self._wait_seconds(outbound, now), latest - now
        if outbound.hedge:
            raise self._dropped("hedge", seconds, "a second attempt does not wait for it.")
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), outbound.tokens, now, latest)
        ticket = self._queue.put(waiter, outbound.priority, outbound.caller, outbound.weight)
        is_next = self._queue.first() is ticket
        if is_next:  # what the others need does not hold it up
            seconds = self.budget.wait_seconds(outbound.tokens, now)
        if seconds >= left:
            self._queue.remove(ticket)
            said = f"this call would wait {seconds:.1f} s, and has {max(left, 0.0):.1f} s."
            raise self._dropped("late", seconds, said)
        if len(self._queue) > self._most:
            self._make_room(ticket, seconds)
        if is_next:
            self._wake()
        if self._pump is None and not self._closed:
            self._last_turn, self._turns, self._gap_seconds = now, 0, 0.0
            self._pump = loop.create_task(self._let_go())
        return ticket

    def _make_room(self, ticket: Ticket[_Waiter], seconds: float) -> None:
        """One of a lower priority leaves for it. Raises UpstreamLimited where there is none."""
        last = self._queue.displaced(ticket.priority)
        if last is None:
            self._queue.remove(ticket)
            said = f"{len(self._queue)} calls wait already, the most that may."
            raise self._dropped("full", seconds, said)
        self._queue.remove(last)
        self._tell(last, self._dropped("displaced", seconds, "calls of a higher priority wait."))

    def _wait_seconds(self, outbound: Outbound, now: float) -> float:
        """How long a call that comes now would wait, about."""
        ahead = self._queue.ahead(outbound.priority, outbound.caller, outbound.weight)
        turns = dict(self.budget.turn_seconds(outbound.tokens))
        if self._turns >= FEWEST:  # better than a guess that all others are as large as this one
            turns["tokens"] = self._gap_seconds
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

    def _expire(self, ticket: Ticket[_Waiter]) -> None:
        if self._queue.remove(ticket):
            now = _now()
            said = f"this call waited {now - ticket.item.since:.1f} s, all the time it had."
            self._tell(ticket, self._dropped("expired", max(0.0, self.budget.ready - now), said))

    def _tell_those_too_late(self) -> None:
        """Nobody gets anything until the budget is ready again: who has less time than that need not wait for it."""
        now, ready = _now(), self.budget.ready
        for ticket in [ticket for ticket in self._queue if ticket.item.latest <= ready]:
            self._queue.remove(ticket)
            said = f"this call would wait {ready - now:.1f} s, and has {ticket.item.latest - now:.1f} s."
            self._tell(ticket, self._dropped("late", ready - now, said))

    def _tell(self, ticket: Ticket[_Waiter], failure: Failure) -> None:
        """Tell one that does not wait any more why."""
        if not ticket.item.turn.done():
            ticket.item.turn.set_exception(failure)
        self._wake_if_empty()

    async def _let_go(self) -> None:
        """Let one call after the other go, whenever the budget has room, until nobody waits."""
        try:
            await self._pause()  # who waits has just been told that there is nothing
            while self._queue:
                demands = self.budget.demands(self._queue.first().item.tokens)
                grant = await self.budget.take(demands) if demands else None
                if grant is not None or not demands:
                    self._hand_over(grant)
                else:
                    await self._pause()
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
        gap = now - self._last_turn
        self._last_turn = now
        if gap <= SLOWEST * self.budget.turn_seconds(0).get("requests", math.inf):
            self._turns += 1
            self._gap_seconds += (gap - self._gap_seconds) * (SMOOTHING if self._turns > 1 else 1.0)

    async def _pause(self) -> None:
        """Until the budget has something, or may have; others may change that, too."""
        loop = asyncio.get_running_loop()
        until = min(self.budget.ready, loop.time() + LOOK_SECONDS)
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
