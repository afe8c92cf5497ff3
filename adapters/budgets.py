"""What an upstream allows, as one worker knows it, and what is taken of it: together with all others that count it."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adapters.shared_limits import SharedLimit, new_lease
from app.limits.counters import Counter, Counters, Demand, Verdict, part
from app.pace import Caution, Pace
from app.ratelimit_headers import Limits, Measure

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
class Ration:
    """What a call was given of the budget; given back once."""

    demands: Sequence[Demand]
    lease: str
    verdict: Verdict
    asked: float
    granted: int


def _unheard() -> None:
    """Nobody waits for it."""


class Budget:
    """A bucket of requests and one of tokens, each as large as the limit of a minute that is in force.

    `changed` is called where there may be more of it than before. Raises what the counters raise.
    """

    def __init__(
        self, allowed: Allowed, suffix: str, counters: Counters, changed: Callable[[], None]
    ) -> None:
        configured: Mapping[Measure, int | None] = {"requests": allowed.requests, "tokens": allowed.tokens}
        self._names: Mapping[Measure, str] = {
            measure: f"upstream:{allowed.name}{suffix}:{measure}" for measure in MEASURES
        }
        self._counters = counters
        self._changed = changed
        self._paces: Mapping[Measure, Pace] = {each: Pace(configured[each]) for each in MEASURES}
        self._shared: Mapping[Measure, SharedLimit] = {
            each: SharedLimit(counters, self._names[each], configured[each]) for each in MEASURES
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
        self._learnt = -math.inf
        self._agreeing: asyncio.Task[None] | None = None
        """What tells the other workers, beside the calls."""
        self._closed = False

    def leave(self) -> None:
        """Tell nobody any more: budget and lane hold each other, and a worker's collector comes too seldom for that."""
        self._changed = _unheard

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

    async def take(self, demands: Sequence[Demand]) -> Ration | None:
        """A part of the budget, where it has so much now."""
        ration = await self._try(demands)
        if ration is None and await self._learns(demands):
            return await self._try([
                (self._counter(self._measure(each)) or each, amount) for each, amount in demands
            ])
        return ration

    async def _try(self, demands: Sequence[Demand]) -> Ration | None:
        lease = new_lease()
        verdict = await self._counters.take(demands, lease)
        now = _now()
        for (counter, _), used in zip(demands, verdict.used, strict=True):
            self._last_used[counter.name] = used, now
        if verdict.refused is not None:
            self.ready = now + verdict.wait_seconds
            return None
        self.ready = now
        self.granted += 1
        counter, amount = demands[0]
        if self._measure(counter) == "requests":
            owed = self._owed + 1 / self._caution.share(now) - amount
            self._owed = min(max(owed, 0.0), 1.0)
        return Ration(demands, lease, verdict, now, self.granted)

    def settle(self, ration: Ration, tokens: int, *, sent: bool = True) -> None:
        """Say what was used of a ration."""
        self.granted -= not sent
        dearer = 1 / self._caution.share(_now())
        spent = [
            (amount if self._measure(counter) == "requests" else math.ceil(tokens * dearer)) if sent else 0
            for counter, amount in ration.demands
        ]
        self._counters.give(ration.demands, spent, ration.lease, ration.verdict)
        if any(less < amount for less, (_, amount) in zip(spent, ration.demands, strict=True)):
            self._changed()

    def refuse(self, ration: Ration, pause_seconds: float | None) -> None:
        """The upstream said 429 to this call, and when to come again: until then nobody gets anything."""
        now = _now()
        self._caution.refuse(ration.asked, now)
        self.settle(ration, 0)
        if pause_seconds is not None:
            counter = ration.demands[0][0]
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
            if level is not None and self._paces[measure].hear(
                level, end, asked, granted if measure == "requests" else 0
            ):
                self._shared[measure].heard = level.limit
                self.limited = True
        if limits.over_limit:
            self.over_limit += 1
            self._caution.warn(asked, now)
        if self._agreeing is None and not self._closed:
            if any(each.is_news for each in self._shared.values()):
                self._agreeing = asyncio.ensure_future(self._agree())
            else:
                self._correct()
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
        if self._agreeing is not None:
            self._agreeing.cancel()
            await asyncio.wait([self._agreeing])

    def _measure(self, counter: Counter) -> Measure:
        return "requests" if counter.name == self._names["requests"] else "tokens"

    def _counter(self, measure: Measure) -> Counter | None:
        limit = self.limit(measure)
        return None if limit is None else Counter(self._names[measure], "bucket", limit)

    def _told(self, measure: Measure, now: float) -> float:
        """How much is used by what the upstream says, and what is not in that: the requests since then, and the answers
        that are still written, which it counts when they are over.
        """
        since = self.granted if measure == "requests" else self.written_tokens
        return self._paces[measure].used(now, since) * self._counters.share

    def _correct(self) -> None:
        """Count what others used of the same account, as far as the upstream says so."""
        now = _now()
        for measure in MEASURES:
            counter = self._counter(measure)
            if counter is not None:
                used, at = self._last_used.get(counter.name, (0.0, now))
                known = max(0.0, used - (now - at) * part(counter, self._counters.share) / 60)
                told = self._told(measure, now)
                if told - known > LEAST_MISSING:
                    self._counters.raise_to(counter, told)
                    self._last_used[counter.name] = told, now

    async def _learns(self, demands: Sequence[Demand]) -> bool:
        """Whether others have been told of a larger limit: they use more than the one that is known here."""
        now = _now()
        if now < self._learnt + LOOK_SECONDS:
            return False
        learns = False
        for counter, _ in demands:
            if self._last_used[counter.name][0] > part(counter, self._counters.share):
                self._learnt = now
                measure = self._measure(counter)
                told = await self._shared[measure].look()
                if told > counter.limit:
                    self._paces[measure].raise_to(told, now)
                    learns = True
        return learns

    async def _agree(self) -> None:
        """Tell the other workers of the limits, then count what is used by them."""
        try:
            while news := [each for each in MEASURES if self._shared[each].is_news]:
                used = await self._shared[news[0]].agree()
                self._last_used[self._names[news[0]]] = used, _now()
            self._correct()
            self._changed()
        finally:
            self._agreeing = None


def _now() -> float:
    return asyncio.get_running_loop().time()
