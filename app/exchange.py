"""The straight line of one call: plan, permit, attempts, answer."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from app.attempts import Attempts, Upstreams
from app.contracts import Answer, Call, Codec, Limiter, Routing, Source
from app.estimate import input_tokens
from app.following import Followed
from app.journal import Record
from app.rescue import Rescuing
from app.usage import Usage


class Exchange:
    """Takes a call from permit to answer."""

    def __init__(
        self, limiter: Limiter, routing: Routing, codec: Codec, sources: Mapping[str, Source]
    ) -> None:
        self._limiter = limiter
        self._routing = routing
        self._upstreams = Upstreams(sources, codec)

    @asynccontextmanager
    async def answer(self, call: Call, record: Record) -> AsyncGenerator[Answer]:
        """Hold the answer to a call; when the block ends, however it ends, everything is given back.

        Entering raises whatever can still become an HTTP status.
        """
        plan = self._routing.decide(call)
        async with self._limiter.admit(call, plan) as permit:
            record.told = permit.headers
            try:
                async with Attempts(call, plan, record, self._upstreams) as attempts:
                    answer = await attempts.answer()
                    rescuing = None
                    if plan.policy.rescue and answer.streams:
                        rescuing = Rescuing(call, record, self._upstreams.sources, attempts)
                    followed = Followed(answer, call, record, rescuing)
                    try:
                        yield followed
                    finally:
                        record.finish = followed.reading.finish
            finally:
                record.usage = _used(call, record)
                record.nano_usd = sum(attempt.nano_usd for attempt in record.attempts)
                permit.settle(record.usage, record.nano_usd)


def _used(call: Call, record: Record) -> Usage:
    """What all attempts together have used."""
    first, *others = [attempt.settle(lambda: input_tokens(call)) for attempt in record.attempts] or [Usage()]
    return sum(others, first)
