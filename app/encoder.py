"""A model of vectors that the gateway itself asks, through its own upstreams."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

from app import config, vectors
from app.attempts import Attempts, Upstreams
from app.contracts import NO_WISHES, Call, Caller, Plan
from app.errors import ClientLeft, Failure
from app.journal import Reader, Record
from app.operations import EMBEDDINGS
from app.prices import Prices
from app.routing.configured import ENCODER, encoder_plan
from app.settling import settle
from app.wire import Request

_TRACED = frozenset({b"x-request-id", b"traceparent", b"tracestate"})


class Encoder:
    """Asks along this plan, as any call is asked: by pacing, breaker and retries of its upstream. No limit counts it, no
    key pays for it; `readers` read its records. `dimensions` are asked for, None are those that the model has.
    """

    def __init__(
        self,
        plan: Plan,
        dimensions: int | None,
        upstreams: Upstreams,
        prices: Prices,
        readers: Sequence[Reader] = (),
    ) -> None:
        self._plan = plan
        self._dimensions = dimensions
        self._upstreams = upstreams
        self._prices = prices
        self._readers = readers

    async def vectors(
        self, texts: Sequence[str], call: Call, timeout_seconds: float
    ) -> Sequence[Sequence[float]]:
        """A vector of each text, asked on behalf of this call.

        Raises Failure where there is no answer in time, ValueError where it holds no vectors.
        """
        asked = replace(
            call,
            operation=EMBEDDINGS,
            request=Request.parse(self._body(texts), EMBEDDINGS),
            caller=Caller(self._plan.routes[0].alias, priority=call.priority),
            headers=[line for line in call.headers if line[0] in _TRACED],
            started=asyncio.get_running_loop().time(),
            timeout_seconds=timeout_seconds,
            user="",
            wishes=NO_WISHES,
        )
        return vectors.read(await self._answered(asked), len(texts))

    def _body(self, texts: Sequence[str]) -> bytes:
        return vectors.asked(self._plan.routes[0].model, texts, self._dimensions)

    async def _answered(self, call: Call) -> bytes:
        """The whole body of the answer; its record is shown to the readers."""
        record = Record(call.id, call.operation, perf_counter())
        record.caller = call.caller
        try:
            async with Attempts(call, self._plan, record, self._upstreams) as attempts:
                answer = await attempts.answer()
                record.first_content = perf_counter()
                return await answer.read()
        except Failure as failure:
            record.failure = failure.alone()
            raise
        except asyncio.CancelledError:
            record.failure = ClientLeft("Nobody waits for it any more.")
            raise
        finally:
            record.answered = record.ended = perf_counter()
            settle(call, record, self._prices)
            for reader in self._readers:
                reader(record)


def plan_of(name: str, settings: config.Config, upstreams: Upstreams, alias: str = ENCODER) -> Plan:
    """Where to ask for vectors of this name, as `alias`. Raises ValueError where that upstream makes none."""
    plan = encoder_plan(name, settings, alias)
    upstream = plan.routes[0].upstream
    if EMBEDDINGS.name not in upstreams.sources[upstream].operations:
        raise ValueError(
            f"the encoder {name!r} can make no vectors: {upstream!r} does not offer {EMBEDDINGS.path}"
        )
    return plan
