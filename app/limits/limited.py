"""The limiter: reserves what a call may use before it begins, and gives the rest back when it has ended."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import TracebackType
from typing import Self

from app import estimate, users
from app.contracts import Call, Headers, Permit, Plan, Route
from app.errors import LimitReached, LimitsUnknown
from app.limits.claims import Claim, Claims
from app.limits.counters import Counters, Demand, Verdict
from app.limits.rules import NO_LIMITS, Limits, Rules
from app.limits.telling import headers, refusal
from app.operations import ROUTE
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
        if len(plan.routes) > 1 and len({route.alias for route in plan.routes}) > 1:
            return _HeldForSeveral(self, call, plan)
        return _Held(self, call, plan)

    def most(self, limits: Limits, call: Call, route: Route, prompt_tokens: int) -> Sequence[int]:
        """The most that the call may use of each there."""
        usage = Usage(prompt_tokens, estimate.output_tokens(call, route, self.output_tokens))
        nano_usd = self.cost(route, usage) if limits.costs else 0
        return limits.amounts(usage.input_tokens + usage.output_tokens, nano_usd)

    def refusal(self, limits: Limits, amounts: Sequence[int], verdict: Verdict) -> LimitReached:
        """What is raised where these were not admitted."""
        assert verdict.refused is not None
        limit = limits.each[verdict.refused]
        self.refused(limit.per, limit.measure or "calls")
        return refusal(limits, amounts, verdict)

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
        "_spent",
        "_verdict",
        "headers",
        "plan",
    )

    def __init__(self, limited: Limited, call: Call, plan: Plan) -> None:
        self._limited = limited
        self._call = call
        self.plan = plan
        self._limits = NO_LIMITS
        self._demands: Sequence[Demand] = ()
        self._spent = (0, 0)
        self.headers: Headers = ()

    async def __aenter__(self) -> Self:
        limited, call = self._limited, self._call
        user = users.counted(call.user) if limited.rules.by_user else ""
        limits = limited.rules.limits(call.caller, self.plan.routes[0].alias, user)
        if limits is not NO_LIMITS:
            amounts = self._most(limits)
            demands = list(zip(limits.counters, amounts, strict=True))
            self._lease = limited.lease()
            verdict = await limited.counters.take(demands, self._lease)
            if verdict.refused is not None:
                raise limited.refusal(limits, amounts, verdict)
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

    def settle(self, name: str, usage: Usage, nano_usd: int) -> None:
        tokens, cost = self._spent
        self._spent = (tokens + usage.input_tokens + usage.output_tokens, cost + nano_usd)

    def _most(self, limits: Limits) -> Sequence[int]:
        """The most that the call may use of each."""
        call = self._call
        if not limits.weighs or call.operation is ROUTE:
            return limits.amounts(0, 0)
        return self._limited.most(limits, call, self.plan.routes[0], estimate.input_tokens(call))


class _HeldForSeveral:
    """The permit of a call that may be answered under several names: of those for whose own limits there is room.

    The limits of all of them are asked together. What a name asks too much of is asked again without that name, but the
    first one's own limits refuse the call.
    """

    def __init__(self, limited: Limited, call: Call, plan: Plan) -> None:
        self._limited = limited
        self._call = call
        self.plan = plan
        self._spent = {plan.routes[0].alias: (0, 0)}
        self._lease = ""
        self._verdict: Verdict | None = None
        self.headers: Headers = ()

    async def __aenter__(self) -> Self:
        claims = self._claims = await self._admitted(Claims(self._asked()))
        routes = [route for route in self.plan.routes if route.alias in claims.of_names]
        if len(routes) < len(self.plan.routes):
            self.plan = replace(self.plan, routes=routes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._verdict is not None:
            used = self._claims.used(self._spent)
            self._limited.counters.give(self._claims.demands, used, self._lease, self._verdict)

    def settle(self, name: str, usage: Usage, nano_usd: int) -> None:
        tokens, cost = self._spent.get(name, (0, 0))
        self._spent[name] = (tokens + usage.input_tokens + usage.output_tokens, cost + nano_usd)

    def _asked(self) -> Mapping[str, Claim]:
        """What each name asks for, as its first route has it."""
        limited, call = self._limited, self._call
        user = users.counted(call.user) if limited.rules.by_user else ""
        routes: dict[str, Route] = {}
        for route in self.plan.routes:
            routes.setdefault(route.alias, route)
        limits = {name: limited.rules.limits(call.caller, name, user) for name in routes}
        if not any(each.weighs for each in limits.values()):
            return {name: (each, each.amounts(0, 0)) for name, each in limits.items()}
        prompt_tokens = estimate.input_tokens(call)
        return {
            name: (each, limited.most(each, call, routes[name], prompt_tokens))
            for name, each in limits.items()
        }

    async def _admitted(self, claims: Claims) -> Claims:
        """Those of the claims that are met."""
        limited, (first, amounts) = self._limited, claims.of_names[claims.first]
        while claims.demands:
            lease = (
                limited.lease()
            )  # a new one each time: one that Redis did not answer for may be taken back later
            try:
                verdict = await limited.counters.take(claims.demands, lease)
            except LimitsUnknown:
                left = claims.unlimited()
                if left is None:
                    raise
                return left
            if verdict.refused is None:
                self._lease, self._verdict = lease, verdict
                self.headers = headers(first, verdict)
                return claims
            left = claims.after(verdict.refused)
            if left is None:
                raise limited.refusal(first, amounts, verdict)
            claims = left
        return claims
