"""The limiter: reserves what a call may use before it begins, and gives the rest back when it has ended."""

import itertools
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from app import estimate, users
from app.contracts import Call, Headers, Permit, Plan, Route
from app.limits.counters import Counters, Demand
from app.limits.rules import NO_LIMITS, Limits, Rules
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
        "_call",
        "_demands",
        "_lease",
        "_limited",
        "_limits",
        "_plan",
        "_spent",
        "_verdict",
        "headers",
    )

    def __init__(self, limited: Limited, call: Call, plan: Plan) -> None:
        self._limited = limited
        self._call = call
        self._plan = plan
        self._limits = NO_LIMITS
        self._demands: Sequence[Demand] = ()
        self._spent = (0, 0)
        self.headers: Headers = ()

    async def __aenter__(self) -> Self:
        limited, call = self._limited, self._call
        user = users.counted(call.user) if limited.rules.by_user else ""
        limits = limited.rules.limits(call.caller, self._plan.routes[0].alias, user)
        if limits is not NO_LIMITS:
            amounts = self._most(limits)
            demands = list(zip(limits.counters, amounts, strict=True))
            self._lease = limited.lease()
            verdict = await limited.counters.take(demands, self._lease)
            if verdict.refused is not None:
                refused = limits.each[verdict.refused]
                limited.refused(refused.per, refused.measure or "calls")
                raise refusal(limits, amounts, verdict)
            self._limits, self._demands, self._verdict = limits, demands, verdict
            self.headers = headers(limits, verdict)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        limits = self._limits
        if limits is not NO_LIMITS:
            self._limited.counters.give(
                self._demands, limits.amounts(*self._spent), self._lease, self._verdict
            )

    def settle(self, usage: Usage, nano_usd: int) -> None:
        self._spent = (usage.input_tokens + usage.output_tokens, nano_usd)

    def _most(self, limits: Limits) -> Sequence[int]:
        """The most that the call may use of each."""
        if not limits.weighs:
            return limits.amounts(0, 0)
        call, route = self._call, self._plan.routes[0]
        written = estimate.output_tokens(call, route, self._limited.output_tokens)
        usage = Usage(estimate.input_tokens(call), written)
        nano_usd = self._limited.cost(route, usage) if limits.costs else 0
        return limits.amounts(usage.input_tokens + usage.output_tokens, nano_usd)
