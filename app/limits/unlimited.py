"""No limits at all."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.contracts import Call, Headers, Permit, Plan
from app.usage import Usage


class Unlimited:
    """Admits every call."""

    @asynccontextmanager
    async def admit(self, call: Call, plan: Plan) -> AsyncGenerator[Permit]:
        yield _NOTHING


class _Nothing:
    headers: Headers = ()

    def settle(self, usage: Usage, nano_usd: int) -> None:
        pass


_NOTHING = _Nothing()
