"""Requests that ask no model: each has a record, comes from somebody, and counts as one in their limits."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import perf_counter

import msgspec
from fastapi import Request, Response

from app.contracts import Call, Caller
from app.errors import Failure, Internal, Stopping
from app.forming import RULES, ByModel, Former
from app.journal import Journal, Record
from app.keys import Callers
from app.operations import SCENES
from app.request_id import SCOPE_KEY
from app.setup import InForce, Setup
from app.wire import Members
from app.wire import Request as Asked

_NOTHING = Asked(Members(b"{}", {}), "", stream=False, include_usage=False)


@dataclass(frozen=True, slots=True)
class Visit:
    """One of them, while it is answered: who asks, its record, and the setup that it began with."""

    call: Call
    record: Record
    setup: Setup
    journal: Journal

    @property
    def caller(self) -> Caller:
        return self.call.caller

    def former(self, model: str | None) -> Former:
        """What makes scenes: rules, or this model, which is asked on behalf of who asks here."""
        if model is None:
            return RULES
        return ByModel(model, self.setup.exchange, self.journal, self.caller, self.record.id)

    def answer(self, told: object) -> Response:
        """This as JSON."""
        return Response(msgspec.json.encode(told), headers=self.headers, media_type="application/json")

    @property
    def headers(self) -> dict[str, str]:
        """What the client is told about its limits, and that no cache keeps what it is told."""
        limits = {name.decode(): value.decode() for name, value in self.record.told}
        return {"cache-control": "no-store", **limits}


@dataclass(frozen=True, slots=True)
class Visits:
    """Lets them in."""

    keys: Callers
    in_force: InForce
    journal: Journal

    @asynccontextmanager
    async def entered(self, request: Request) -> AsyncGenerator[Visit]:
        """Hold one. Raises what keys and limits refuse it with."""
        record = Record(request.scope[SCOPE_KEY].decode(), SCENES, perf_counter())
        with self.journal.writing(record), failing(record):
            record.caller = caller = self.keys.identify(dict(request.scope["headers"]))
            with self.in_force.term as setup:
                call = _call(record, caller)
                async with setup.exchange.admitted(call, record):
                    yield Visit(call, record, setup, self.journal)


@contextmanager
def failing(record: Record) -> Generator[None]:
    """The record is told what the client is."""
    try:
        yield
    except Failure as failure:
        record.failure = failure
        raise
    except asyncio.CancelledError:
        record.failure = Stopping()
        raise
    except Exception as error:
        record.failure = Internal("The gateway failed.", detail=repr(type(error)))
        raise


def _call(record: Record, caller: Caller) -> Call:
    now = asyncio.get_running_loop().time()
    return Call(record.id, SCENES, _NOTHING, caller, (), now, user=caller.user or "")
