"""Admission: who may go on, and what is given back."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.contracts import Call, Permit
from app.usage import Usage


class Unlimited:
    """Admits every call."""

    @asynccontextmanager
    async def admit(self, call: Call) -> AsyncGenerator[Permit]:
        yield _NOTHING


class _Nothing:
    def settle(self, usage: Usage) -> None:
        pass


_NOTHING = _Nothing()
