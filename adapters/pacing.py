"""An upstream behind its own rate limit: calls wait for the budget here, where the order is fair, and not for 429s there.

The budget is a bucket for requests and one for tokens, as the upstream itself has them, counted together with all
workers and hosts (`app.limits.counters`). What an upstream says of its limits is followed (`app.pace`); without any limit
a call goes straight through. Each worker lets its own calls go in a fair order (`app.queueing`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import TracebackType
from typing import TypeAlias

from adapters.budgets import MEASURES, Allowed, Ration
from adapters.lanes import Lane, Tally
from app import ratelimit_headers
from app.contracts import Answer, Outbound, Queue, Upstream, Waits
from app.errors import UpstreamFailure, UpstreamLimited, UpstreamUnavailable
from app.limits.counters import Counters
from app.queueing import SHARES

MOST_LANES = 1000
"""Budgets kept of models that are counted apart."""

WAITED_SECONDS = 0.1
"""Who waited longer has less time left for its answer than it would have."""

Valve: TypeAlias = Callable[[Outbound], tuple[Outbound, bool]]
"""Changes what is asked, and says whether it takes of the budget."""


class Pacing:
    """An upstream that is not asked faster than it allows. Raises UpstreamLimited where a call cannot wait for its turn."""

    def __init__(
        self, upstream: Upstream, allowed: Allowed, counters: Counters, valve: Valve | None = None
    ) -> None:
        self.upstream = upstream
        self.allowed = allowed
        self.counters = counters
        self.valve = valve
        self.tally = Tally()
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._over_limit = 0
        """Answers beyond the limit at budgets that were forgotten."""

    def open(self, outbound: Outbound) -> AbstractAsyncContextManager[Answer]:
        return _Held(self, outbound)

    def lane(self, model: str) -> Lane:
        """The budget that this model's calls share, and who waits for it."""
        key = model if self.allowed.per_model else ""
        lane = self._lanes.get(key)
        if lane is not None:
            self._lanes.move_to_end(key)
        else:
            if len(self._lanes) >= MOST_LANES:
                self._forget()
            lane = self._lanes[key] = Lane(self.allowed, f":{key}" if key else "", self.counters, self.tally)
        return lane

    def unbounded_tokens(self, model: str) -> int | None:
        """How many tokens an answer without a bound is taken to have; None where tokens are not counted."""
        return self.allowed.unbounded_tokens if self.lane(model).budget.limit("tokens") is not None else None

    def queue(self) -> Queue | None:
        """What is seen of it; None as long as there was no limit."""
        if not self.allowed.per_model:
            self.lane("")
        lanes, tally = [lane for lane in self._lanes.values() if lane.budget.limited], self.tally
        if not lanes:
            return None
        return Queue(
            {
                measure: min(limits)
                for measure in MEASURES
                if (limits := [limit for lane in lanes if (limit := lane.budget.pace(measure)) is not None])
            },
            {priority: sum(lane.waiting(priority) for lane in lanes) for priority in SHARES},
            {each: Waits(tuple(tally.waits[each]), tally.seconds[each]) for each in SHARES},
            dict(tally.dropped),
            self._over_limit + sum(lane.budget.over_limit for lane in lanes),
        )

    async def close(self) -> None:
        for lane in self._lanes.values():
            await lane.close()

    def _forget(self) -> None:
        """Forget the budget that nobody has used for the longest time."""
        idle = next((key for key, lane in self._lanes.items() if not lane.busy), None)
        if idle is not None:
            budget = self._lanes.pop(idle).budget
            self._over_limit += budget.over_limit
            budget.leave()


class _Held:
    """One call's answer, and its part of the budget."""

    __slots__ = ("_answer", "_inner", "_lane", "_outbound", "_paced", "_pacing", "_ration")

    def __init__(self, pacing: Pacing, outbound: Outbound) -> None:
        self._pacing = pacing
        self._outbound = outbound
        self._ration: Ration | None = None

    async def __aenter__(self) -> Answer:
        pacing, outbound, metered = self._pacing, self._outbound, True
        if pacing.valve is not None:
            outbound, metered = pacing.valve(outbound)
        lane = self._lane = pacing.lane(outbound.model)
        self._paced = metered and lane.budget.limited
        if self._paced:
            began = _now()
            self._ration = await lane.enter(outbound)
            if (
                _now() - began > WAITED_SECONDS
            ):  # whatever time is missing now, the server is not to blame for it
                outbound = replace(outbound, hurried=True)
        asked, granted = _now(), lane.budget.granted
        try:
            self._inner = pacing.upstream.open(outbound)
            answer = self._answer = await self._inner.__aenter__()
        except UpstreamFailure as failure:
            self._failed(failure, asked, granted)
            raise
        except BaseException:
            self._leave(self._outbound.prompt_tokens)
            raise
        if self._paced:
            lane.answered(outbound, _now() - asked)
        if answer.reading.limits:
            lane.budget.hear(ratelimit_headers.limits(answer.reading.limits), asked, granted)
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._inner.__aexit__(kind, error, trace)
        finally:
            self._leave(self._used_tokens() if self._paced else 0)

    def _failed(self, failure: UpstreamFailure, asked: float, granted: int) -> None:
        """There is no answer: what the budget is told of that."""
        said = ratelimit_headers.limits(failure.limits)
        if failure.limits:
            self._lane.budget.hear(said, asked, granted)
        if isinstance(failure, UpstreamLimited) and failure.answered and self._paced:
            pause = ratelimit_headers.pause_seconds(failure.headers.get("retry-after", ""), said)
            self._lane.refused(self._outbound, self._ration, pause)
        elif failure.blameless or (isinstance(failure, UpstreamUnavailable) and not failure.answered):
            self._leave(0, sent=False)
        else:
            self._leave(0 if failure.answered else self._outbound.prompt_tokens)

    def _leave(self, tokens: int, *, sent: bool = True) -> None:
        if self._paced:
            self._lane.leave(self._outbound, self._ration, tokens, sent=sent)

    def _used_tokens(self) -> int:
        """What the upstream reported, or what came, and about what was sent."""
        reading = self._answer.reading
        usage = reading.usage
        if usage is None:
            return self._outbound.prompt_tokens + reading.content_events
        written = usage.output_tokens
        return usage.input_tokens + (written if reading.finished else max(written, reading.content_events))


def _now() -> float:
    return asyncio.get_running_loop().time()
