"""A server behind its circuit breaker: what is asked of it has an outcome, and while the circuit is open nothing is."""

import asyncio
import math
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from app.breaker import Breaker
from app.contracts import Answer, Outbound, Upstream
from app.errors import UpstreamFailure, UpstreamUnavailable
from app.outcomes import counts


class Breaking:
    """An upstream that is not asked while its circuit is open. Raises UpstreamUnavailable then, at once."""

    def __init__(self, upstream: Upstream, breaker: Breaker) -> None:
        self.upstream = upstream
        self.breaker = breaker

    def open(self, outbound: Outbound) -> AbstractAsyncContextManager[Answer]:
        return _Held(self, outbound)


def circuit_open(seconds_left: float) -> UpstreamUnavailable:
    """What a call is told that is not made."""
    failure = UpstreamUnavailable(
        "The upstream's circuit is open.",
        detail="not asked: it kept failing",
        headers={"retry-after": str(max(math.ceil(seconds_left), 1))},
    )
    failure.blameless = True
    return failure


class _Held:
    """One call's answer.

    How it ends is seen when the block is left: a failure comes through there whoever caught it on the way, since
    whoever goes on elsewhere leaves this block with it first; and an error that came as an event is in the
    reading. So nothing has to stand between the answer and who reads it.
    """

    __slots__ = ("_answer", "_breaker", "_inner", "_outbound", "_ticket")

    def __init__(self, breaking: Breaking, outbound: Outbound) -> None:
        self._breaker = breaking.breaker
        self._inner = breaking.upstream.open(outbound)
        self._outbound = outbound
        self._ticket = 0

    async def __aenter__(self) -> Answer:
        breaker, now = self._breaker, asyncio.get_running_loop().time
        self._ticket = breaker.admit(now())
        if not self._ticket:
            raise circuit_open(breaker.seconds_left(now()))
        try:
            answer = self._answer = await self._inner.__aenter__()
        except UpstreamFailure as failure:
            if counts(failure) and not self._over(self._patience()):
                breaker.fail(self._ticket, now())
            raise
        else:
            breaker.succeed(self._ticket, now())
            return answer
        finally:
            breaker.release(self._ticket)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        broke = (
            isinstance(error, UpstreamFailure) and counts(error) and not self._over(self._outbound.deadline)
        )
        if broke or self._answer.reading.failed:
            self._breaker.fall(self._ticket, asyncio.get_running_loop().time())
        return await self._inner.__aexit__(kind, error, trace)

    def _patience(self) -> float:
        """Until when a client in a hurry waits for the first content: the server is not to blame for that bound."""
        call = self._outbound
        return min(call.first_by, call.deadline) if call.hurried else math.inf

    @staticmethod
    def _over(moment: float) -> bool:
        return asyncio.get_running_loop().time() >= moment - _EARLY_SECONDS


_EARLY_SECONDS = 0.01
"""The event loop's clock may wake a timer that much before its moment."""
