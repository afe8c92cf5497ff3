"""The attempts of one call: retries on a route, then the next route; one deadline and one budget over all of them."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Self

from app.backoff import RetryBudget
from app.contracts import Answer, Call, Codec, Hedging, Plan, Route, Source
from app.course import Course
from app.errors import Failure, Unsupported, UpstreamFailure
from app.hedging import Hedges, race
from app.journal import Attempt, AttemptKind, Record
from app.outbound import outbound
from app.rescue import Asking
from app.routing.thinking import way_of
from app.wire import Request


@dataclass(slots=True)
class Upstreams:
    """All upstreams by name, and what is remembered of them between calls."""

    sources: Mapping[str, Source]
    codec: Codec
    budgets: Mapping[str, RetryBudget] = field(default_factory=lambda: defaultdict(RetryBudget))
    hedges: Hedges = field(default_factory=Hedges)


@dataclass(frozen=True, slots=True)
class _AsItIs:
    """The client's own request, whichever route is asked."""

    _request: Request
    continuing: bool = False
    prefilled: bool = False

    def request(self, route: Route, *, refused: bool) -> Request:
        return self._request


@dataclass(slots=True)
class _Opened:
    """An attempt with its answer at hand, held until it is left."""

    attempt: Attempt
    answer: Answer
    held: AbstractAsyncContextManager[Answer]

    async def leave(self, error: BaseException | None) -> None:
        """Let go of it, because of this error or well."""
        try:
            await self.held.__aexit__(None if error is None else type(error), error, None)
        finally:
            self.attempt.end(error)


class Attempts:
    """Holds the answer of one call; leaving the block lets go of it."""

    def __init__(self, call: Call, plan: Plan, record: Record, upstreams: Upstreams) -> None:
        self._call = call
        self._policy = plan.policy
        self._record = record
        self._upstreams = upstreams
        self._opened: _Opened | None = None
        allowed = plan.policy.timeout_seconds or upstreams.sources[plan.routes[0].upstream].total_seconds
        self._course = Course(plan, call.started + min(allowed, call.timeout_seconds or allowed))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def answer(self) -> Answer:
        """The answer of the first attempt that gives one. Raises what the last one, or the clearest, failed with."""
        return await self._first_of(_AsItIs(self._call.request), "first")

    async def continued(self, failure: UpstreamFailure, asking: Asking) -> Answer:
        """Another answer in the place of the one that broke. Raises this failure where there is none."""
        await self._leave(failure)
        try:
            await self._get_ready(failure, asking)
            return await self._first_of(asking, "rescue")
        except Failure:
            raise failure from None

    async def _leave(self, error: BaseException | None) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.leave(error)

    async def _first_of(self, asking: Asking, kind: AttemptKind) -> Answer:
        """The answer of the first attempt from here on that gives one."""
        while True:
            try:
                self._opened = await self._open(asking, kind)
            except Failure as failure:
                kind = await self._get_ready(failure, asking)
            else:
                self._record.route = self._opened.attempt.route
                self._record.thinking = self._opened.attempt.thinking
                self._record.saving = self._opened.attempt.saving
                self._record.placed = self._opened.attempt.placed
                return self._opened.answer

    async def _open(self, asking: Asking, kind: AttemptKind) -> _Opened:
        """One attempt; or two, where the policy allows to hedge."""
        route = self._course.route
        hedging = self._policy.hedging
        if kind != "first":
            return await self._enter(route, asking, kind)
        self._upstreams.budgets[route.upstream].earn()
        if hedging is None or self._policy.attempts == 1:
            return await self._enter(route, asking, kind)
        return await self._hedged(route, asking, hedging)

    async def _hedged(self, route: Route, asking: Asking, hedging: Hedging) -> _Opened:
        """The first attempt, with one beside it on the next route (or the same) where it is slow."""
        hedges = self._upstreams.hedges
        after_seconds = hedges.after_seconds(route, hedging)
        if after_seconds is None:
            opened = await self._enter(route, asking, "first")
        else:
            other = self._course.other
            opened = await race(
                lambda: self._enter(route, asking, "first"),
                lambda: self._enter(other, asking, "hedge"),
                after_seconds,
                lambda: bool(self._record.attempts[0].sent_at) and hedges.spend(route),
            )
        attempt = opened.attempt  # what it waited for here says nothing about the upstream
        hedges.note(attempt.route, attempt.first_content - (attempt.sent_at or attempt.started))
        return opened

    async def _enter(self, route: Route, asking: Asking, kind: AttemptKind) -> _Opened:
        attempt = Attempt(route, kind)
        record = self._record
        record.attempts.append(attempt)
        record.route = route
        record.model = route.alias
        try:
            source = self._source(route)
            way = way_of(self._call, route, source.kind)
            attempt.thinking = way.outcome
            asked = asking.request(route, refused=self._course.refused)
            encoded = await self._upstreams.codec.encode(self._call, route, asked)
            attempt.saving = encoded.saving
            out = outbound(
                self._call,
                encoded.request,
                route,
                source,
                way=way,
                deadline=self._course.deadline,
                first_by=self._course.patience(asyncio.get_running_loop().time()),
                tried=self._course.tried,
                keeps_text=self._policy.rescue and self._call.request.stream,
                hedge=kind == "hedge",
                placed=attempt.place,
                sent=attempt.sent,
            )
            record.asked = record.asked or perf_counter()
            held = source.upstream.open(out)
            answer = await held.__aenter__()
        except BaseException as error:
            attempt.end(error)
            raise
        attempt.begin(answer.reading)
        return _Opened(attempt, encoded.decoder.decode(answer), held)

    def _source(self, route: Route) -> Source:
        source = self._upstreams.sources[route.upstream]
        operation = self._call.operation
        if operation.name not in source.operations:
            asked = self._call.request.model
            raise Unsupported(f"The model {asked!r} does not offer {operation.path}.", param="model")
        return source

    async def _get_ready(self, failure: Failure, asking: Asking) -> AttemptKind:
        """Choose where the next attempt goes, and wait until it may; raises where there is none."""
        now = asyncio.get_running_loop().time()
        budget = self._upstreams.budgets[self._course.route.upstream]
        made = len(self._record.attempts)
        step = self._course.after(failure, made, now, lambda: budget.spend(now), asking)
        if step.pause_seconds:
            await asyncio.sleep(step.pause_seconds)
        return "rescue" if asking.continuing else step.kind
