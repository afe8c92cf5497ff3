"""The limiter: reserves what a call may use before it begins, and gives the rest back when it has ended."""

import itertools
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from app import estimate
from app.contracts import Call, Headers, Permit, Plan, Route
from app.limits.counters import Counters, Demand, Verdict
from app.limits.rules import Limit, Rules, user_hash, user_of
from app.limits.telling import headers, refusal
from app.usage import Usage

Cost = Callable[[Route, Usage], int]
"""What so many tokens cost there, in nano-dollars."""

Refused = Callable[[str, str], None]
"""Is told for whom and what the limit counts that refused a call."""


class Limited:
    """Admits a call where all of its limits have room for the most that it may use."""

    def __init__(
        self, rules: Rules, counters: Counters, output_tokens: int, cost: Cost, refused: Refused
    ) -> None:
        self.rules = rules
        self.counters = counters
        self.output_tokens = output_tokens
        self.cost = cost
        self.refused = refused
        self._names = itertools.count()
        self._worker = os.urandom(6).hex()

    def admit(self, call: Call, plan: Plan) -> AbstractAsyncContextManager[Permit]:
        return _Held(self, call, plan)

    def lease(self) -> str:
        """A name that no other call has; a call's own id is the client's to choose."""
        return f"{self._worker}-{next(self._names)}"


class _Held:
    """A call's permit."""

    __slots__ = (
        "_amounts",
        "_call",
        "_demands",
        "_lease",
        "_limited",
        "_limits",
        "_plan",
        "_used",
        "_verdict",
        "headers",
    )

    def __init__(self, limited: Limited, call: Call, plan: Plan) -> None:
        self._limited = limited
        self._call = call
        self._plan = plan
        self._limits: Sequence[Limit] = ()
        self._used = (0, 0)
        self.headers: Headers = ()

    async def __aenter__(self) -> Self:
        limited, call = self._limited, self._call
        user = user_hash(user_of(call)) if limited.rules.by_user else ""
        limits = limited.rules.limits(call.caller, self._plan.routes[0].alias, user)
        if limits:
            self._amounts = self._most(limits)
            self._demands: Sequence[Demand] = [
                (limit.counter, amount) for limit, amount in zip(limits, self._amounts, strict=True)
            ]
            self._lease = limited.lease()
            self._verdict: Verdict = await limited.counters.take(self._demands, self._lease)
            if self._verdict.refused is not None:
                limit = limits[self._verdict.refused]
                limited.refused(limit.per, limit.measure or "calls")
                raise refusal(limits, self._amounts, self._verdict)
            self._limits = limits
            self.headers = headers(limits, self._verdict)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._limits:
            self._limited.counters.give(self._demands, self._spent(), self._lease, self._verdict)

    def settle(self, usage: Usage, nano_usd: int) -> None:
        self._used = (usage.input_tokens + usage.output_tokens, nano_usd)

    def _most(self, limits: Sequence[Limit]) -> Sequence[int]:
        """The most that the call may use of each."""
        usage = Usage()
        if any(limit.measure in {"tokens", "usd"} for limit in limits):
            written = estimate.output_tokens(self._call, self._plan.routes[0], self._limited.output_tokens)
            usage = Usage(estimate.input_tokens(self._call), written)
        tokens, nano_usd = usage.input_tokens + usage.output_tokens, 0
        if any(limit.measure == "usd" for limit in limits):
            nano_usd = self._limited.cost(self._plan.routes[0], usage)
        return [_of(limit, tokens, nano_usd) for limit in limits]

    def _spent(self) -> Sequence[int]:
        return [_of(limit, *self._used) for limit in self._limits]


def _of(limit: Limit, tokens: int, nano_usd: int) -> int:
    if limit.measure == "tokens":
        return tokens
    return nano_usd if limit.measure == "usd" else 1
