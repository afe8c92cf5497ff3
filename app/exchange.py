"""The straight line of one call: plan, permit, attempts, answer."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

from app.attempts import Attempts, Upstreams
from app.contracts import Answer, Call, Limiter, Plan, Route, Shadow
from app.embedding import Embedding
from app.following import Followed
from app.journal import Record
from app.operations import ROUTE
from app.overheard import Overheard
from app.prices import Prices
from app.rescue import Rescuing
from app.routing.lens import lensed
from app.routing.router import Explanation, Router
from app.settling import settle
from app.warming import Warming

Shadowed: TypeAlias = Callable[[Shadow, Call, Record, Overheard | None], None]
"""Gets a call that is over and shall have a shadow; with its answer, where it had one."""

Recalls: TypeAlias = Callable[[Call, Record], Awaitable[Call]]
"""Puts what a call wants recalled into its request, and tells the record of it."""
Noted: TypeAlias = Callable[[Call, Record, Overheard], None]
"""Gets a call that shall be remembered, when its answer was read to its end."""

_DRY = Plan((Route("", "", ROUTE.path, "a dry run"),))
"""What the limiter knows a dry run by: no model's limits are its own."""


class Exchange:
    """Takes a call from permit to answer."""

    def __init__(  # noqa: PLR0913 - what a call passes
        self,
        limiter: Limiter,
        routing: Router,
        prices: Prices,
        upstreams: Upstreams,
        shadowed: Shadowed,
        *,
        warming: Warming,
        embedding: Embedding | None = None,
        recalls: Recalls | None = None,
        noted: Noted | None = None,
    ) -> None:
        self._limiter = limiter
        self._routing = routing
        self._prices = prices
        self._upstreams = upstreams
        self._shadowed = shadowed
        self._warming = warming
        self._embedding = embedding
        self._recalls = recalls
        self._noted = noted

    @asynccontextmanager
    async def answer(self, call: Call, record: Record) -> AsyncGenerator[Answer]:
        """Hold the answer to a call; when the block ends, however it ends, everything is given back.

        Entering raises whatever can still become an HTTP status.
        """
        call, plan = self._planned(await self._seen(call, record), record)
        if self._recalls is not None:
            call = await self._recalls(call, record)
        heard: Overheard | None = None
        async with self._limiter.admit(call, plan) as permit:
            record.told = permit.headers
            plan = permit.plan
            try:
                async with Attempts(call, plan, record, self._upstreams) as attempts:
                    answer = await attempts.answer()
                    rescuing = None
                    if plan.policy.rescue and answer.streams:
                        rescuing = Rescuing(call, record, self._upstreams.sources, attempts)
                    followed = Followed(answer, call, record, rescuing)
                    if plan.shadow is not None or call.wishes.remember:
                        heard = Overheard(followed)
                    try:
                        yield heard or followed
                    finally:
                        record.finish = followed.reading.finish
                    self._note(call, record, heard)
            finally:
                settle(call, record, self._prices)
                for attempt in record.attempts:
                    permit.settle(attempt.route.alias, attempt.usage, attempt.nano_usd)
                if plan.shadow is not None:
                    self._shadowed(plan.shadow, call, record, heard)

    def _note(self, call: Call, record: Record, heard: Overheard | None) -> None:
        """The answer was read to its end: what shall be remembered of it, is."""
        is_whole = record.failure is None and record.finish is not None
        if self._noted is not None and heard is not None and call.wishes.remember and is_whole:
            self._noted(call, record, heard)

    @asynccontextmanager
    async def admitted(self, call: Call, record: Record) -> AsyncGenerator[None]:
        """Hold a request by itself, which asks no model, so that limits of tokens and of money have nothing to count.
        Raises what a limiter does.
        """
        async with self._limiter.admit(replace(call, operation=ROUTE), _DRY) as permit:
            record.told = permit.headers
            yield

    async def explained(self, call: Call, record: Record) -> Explanation:
        """What would be decided for this call, and why."""
        return self._routing.explain(await self._seen(call, record))

    async def _seen(self, call: Call, record: Record) -> Call:
        """The call, when all is there that helps to choose."""
        await self._warming.before(call)
        return call if self._embedding is None else await self._embedding.seen(call, record)

    def _planned(self, call: Call, record: Record) -> tuple[Call, Plan]:
        """The plan, and the call with what the plan puts into its request."""
        plan = self._routing.decide(call)
        record.model = plan.routes[0].alias
        record.decision = plan.decision
        if plan.lens:
            call = replace(call, request=lensed(call.request, call.operation, plan.lens))
        return call, plan

    @asynccontextmanager
    async def aside(self, call: Call, plan: Plan, record: Record) -> AsyncGenerator[Answer]:
        """Hold the answer to a call that no client waits for: no limit counts it, and nobody goes on with it."""
        try:
            async with Attempts(call, plan, record, self._upstreams) as attempts:
                followed = Followed(await attempts.answer(), call, record, None)
                try:
                    yield followed
                finally:
                    record.finish = followed.reading.finish
        finally:
            settle(call, record, self._prices)
