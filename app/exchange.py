"""The straight line of one call: plan, permit, attempts, answer."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

from app.attempts import Attempts, Upstreams
from app.contracts import Answer, Call, Limiter, Plan, Routing, Shadow
from app.estimate import input_tokens
from app.following import Followed
from app.journal import Record
from app.overheard import Overheard
from app.prices import Prices
from app.rescue import Rescuing
from app.routing.lens import lensed
from app.usage import Usage

_NOTHING = Usage()

Shadowed: TypeAlias = Callable[[Shadow, Call, Record, Overheard | None], None]
"""Gets a call that is over and shall have a shadow; with its answer, where it had one."""


class Exchange:
    """Takes a call from permit to answer."""

    def __init__(
        self,
        limiter: Limiter,
        routing: Routing,
        prices: Prices,
        upstreams: Upstreams,
        shadowed: Shadowed,
    ) -> None:
        self._limiter = limiter
        self._routing = routing
        self._prices = prices
        self._upstreams = upstreams
        self._shadowed = shadowed

    @asynccontextmanager
    async def answer(self, call: Call, record: Record) -> AsyncGenerator[Answer]:
        """Hold the answer to a call; when the block ends, however it ends, everything is given back.

        Entering raises whatever can still become an HTTP status.
        """
        plan = self._routing.decide(call)
        record.model = plan.routes[0].alias
        record.decision = plan.decision
        if plan.lens:
            call = replace(call, request=lensed(call.request, call.operation, plan.lens))
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
                    if plan.shadow is not None:
                        heard = Overheard(followed)
                    try:
                        yield heard or followed
                    finally:
                        record.finish = followed.reading.finish
            finally:
                record.usage, record.nano_usd = self._used(call, record)
                for attempt in record.attempts:
                    permit.settle(attempt.route.alias, attempt.usage, attempt.nano_usd)
                if plan.shadow is not None:
                    self._shadowed(plan.shadow, call, record, heard)

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
            record.usage, record.nano_usd = self._used(call, record)

    def _used(self, call: Call, record: Record) -> tuple[Usage, int]:
        """What all attempts together have used, and what it cost in nano-dollars."""
        usage, nano_usd = _NOTHING, 0
        for attempt in record.attempts:
            used = attempt.settle(lambda: input_tokens(call))
            attempt.charge(self._prices.of(attempt.route))
            usage = used if usage is _NOTHING else usage + used
            nano_usd += attempt.nano_usd
        return usage, nano_usd
