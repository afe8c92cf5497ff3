"""Counters in Redis, shared by all workers and hosts.

A worker asks one thing at a time: whatever wants to begin or has ended while an answer is on its way is asked together
in the next round trip, so each call is part of one round trip, and a burst costs no more of them. Everything is under
one hash tag, so that one script may touch all counters on a cluster, too. Redis' own clock is the only one that counts.
"""

import asyncio
import math
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import orjson
from redis.exceptions import NoScriptError

from app.allowance import MOST
from app.limits.counters import Counter, Demand, Gone, Verdict, wait_seconds
from app.redis_connection import Client, Connection

LEASE_SECONDS = 60
"""For how long a call holds its slots without being renewed: what a killed worker held is free after that."""
RENEWAL_SECONDS = 20.0
MARK_SECONDS = 90_000
"""For how long a reservation can be given back: longer than the longest call (`wishes.MOST_SECONDS`)."""
MOST_SETTLEMENTS = 100_000
"""Settlements that wait for a Redis that is gone; the oldest are dropped beyond, and what they would have given back
stays used.
"""
BATCH = 200
"""Calls that are asked about together, and as many that are settled."""
SLICE = 100
"""Counters that are charged by one settlement."""
MOST_CHANGES = 500
"""Counters that are settled together."""


class Change(NamedTuple):
    """By how much a counter changes; and of the reservation that changes, how much it was, how full that made the counter,
    and when it was (Redis' time).
    """

    counter: Counter
    by: float
    amount: float
    level: float
    at: float


@dataclass(frozen=True, slots=True)
class _Take:
    demands: Sequence[Demand]
    lease: str
    verdict: "asyncio.Future[Verdict]"

    @property
    def is_admitted(self) -> bool:
        """Whether it was told so, heard or not."""
        told = self.verdict
        return (
            told.done()
            and not told.cancelled()
            and told.exception() is None
            and told.result().refused is None
        )


@dataclass(frozen=True, slots=True)
class _Settlement:
    mark: str
    how: Literal["give", "undo", "charge", "raise", "lower"]
    lease: str
    changes: Sequence[Change]


class Shared:
    """Counts in Redis. Raises Gone where it does not answer within the bound.

    `timed` is told how long each answer took, in seconds.
    """

    share = 1.0

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        timeout_seconds: float,
        timed: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._prefix = f"{{{prefix}}}:"
        self._timeout_seconds = timeout_seconds
        self._timed = timed
        self._script = _Script(Path(__file__).with_name("counters.lua").read_text("utf-8"))
        self._wanted: deque[_Take] = deque()
        self._owed: deque[_Settlement] = deque()
        self._held: dict[str, Sequence[str]] = {}
        """The slots that calls of this worker hold, by lease."""
        self._renewal_is_due = False
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Future[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._go_round()), asyncio.ensure_future(self._renew())]

    async def stop(self) -> None:
        """Settle what is owed, as far as Redis answers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            while self._owed:
                await self.round()
        except Gone:
            pass
        await self._connection.close()

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        wanted = _Take(demands, lease, asyncio.get_running_loop().create_future())
        self._wanted.append(wanted)
        self._work.set()
        try:
            return await wanted.verdict
        except asyncio.CancelledError:
            if wanted.is_admitted:
                self._undo(wanted)
            raise

    def give(self, demands: Sequence[Demand], used: Sequence[int], lease: str, verdict: Verdict) -> None:
        self._held.pop(lease, None)
        changes = [
            Change(counter, spent - amount, amount, level, verdict.now)
            for (counter, amount), level, spent in zip(demands, verdict.used, used, strict=True)
            if spent != amount or counter.kind == "slots"
        ]
        self._owe(_Settlement(f"mark:{lease}", "give", lease, changes))

    def charge(self, changes: Sequence[Change]) -> None:
        """Count what was used without having been asked for here."""
        for start in range(0, len(changes), SLICE):
            mark = f"charge:{secrets.token_hex(8)}"
            self._owe(_Settlement(mark, "charge", "", changes[start : start + SLICE]))

    def raise_to(self, counter: Counter, level: float) -> None:
        self._bound(counter, level, "raise")

    def lower_to(self, counter: Counter, level: float) -> None:
        self._bound(counter, level, "lower")

    def _bound(self, counter: Counter, level: float, how: Literal["raise", "lower"]) -> None:
        self._owe(_Settlement(f"{how}:{counter.name}", how, "", [Change(counter, level, 0, 0, 0)]))

    async def probe(self) -> None:
        """Raises Gone where Redis is not there, or cannot be written."""
        await self._bounded(self._client.set(f"{self._prefix}probe", 1, ex=60))

    async def round(self) -> None:
        """One round trip: settle what is owed, and judge what is wanted. Raises Gone, as all who wait are told."""
        wanted = [self._wanted.popleft() for _ in range(min(BATCH, len(self._wanted)))]
        owed = self._next_owed()
        renewed = self._renewals()
        began = perf_counter()
        try:
            now, *judged = await self._bounded(self._ask(wanted, owed, renewed))
        except (Gone, asyncio.CancelledError) as error:  # it may have been done, or not
            self._owed.extendleft(reversed(owed))
            self._renewal_is_due = True
            for take in wanted:
                self._undo(take)
            gone = error if isinstance(error, Gone) else Gone("the gateway stops")
            self._refuse([*wanted, *self._wanted], gone)
            self._wanted.clear()
            raise
        self._timed(perf_counter() - began)
        for take, each in zip(wanted, judged, strict=True):
            self._tell(take, _verdict(take.demands, float(now), each))

    async def _ask(
        self, wanted: Sequence[_Take], owed: Sequence[_Settlement], renewed: Mapping[str, Sequence[str]]
    ) -> Any:
        asked = _Asked(self._prefix, wanted, owed, renewed)
        return await self._script.run(self._client, asked.keys, asked.body)

    def _next_owed(self) -> Sequence[_Settlement]:
        """What is settled next: never so much that the server would be long about it."""
        owed: list[_Settlement] = []
        size = 0
        while self._owed and size < MOST_CHANGES and len(owed) < BATCH:
            owed.append(self._owed.popleft())
            size += len(owed[-1].changes)
        return owed

    def _renewals(self) -> Mapping[str, Sequence[str]]:
        """The leases to renew now, by counter."""
        slots: dict[str, list[str]] = {}
        if self._renewal_is_due:
            self._renewal_is_due = False
            for lease, names in self._held.items():
                for name in names:
                    slots.setdefault(name, []).append(lease)
        return slots

    def _tell(self, take: _Take, verdict: Verdict) -> None:
        if verdict.refused is None:
            if slots := [counter.name for counter, _ in take.demands if counter.kind == "slots"]:
                self._held[take.lease] = slots
            if take.verdict.done():  # nobody waits any more
                self._undo(take)
        if not take.verdict.done():
            take.verdict.set_result(verdict)

    @staticmethod
    def _refuse(takes: Sequence[_Take], gone: Gone) -> None:
        for take in takes:
            if not take.verdict.done():
                take.verdict.set_exception(gone)

    def _undo(self, take: _Take) -> None:
        """Give all of it back, if it was admitted."""
        self._held.pop(take.lease, None)
        changes = [Change(counter, -amount, amount, amount, time.time()) for counter, amount in take.demands]
        self._owe(_Settlement(f"mark:{take.lease}", "undo", take.lease, changes))

    def _owe(self, settlement: _Settlement) -> None:
        if len(self._owed) >= MOST_SETTLEMENTS:
            self._owed.popleft()
        self._owed.append(settlement)
        self._work.set()

    async def _go_round(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while self._wanted or self._owed or self._renewal_is_due:
                    await self.round()
            except Gone:  # who waited was told; what is owed is tried again
                asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._work.set)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            if self._held:
                self._renewal_is_due = True
                self._work.set()

    async def _bounded(self, asked: Awaitable[Any]) -> Any:
        """The answer, where it comes within the bound.

        A loop that was held up sees that the time is over before it sees the answer, which is there: one more look.
        """
        answer = asyncio.ensure_future(asked)
        try:
            done, _ = await asyncio.wait([answer], timeout=self._timeout_seconds)
            if not done:
                done, _ = await asyncio.wait([answer], timeout=_GRACE_SECONDS)
        finally:
            answer.cancel()
            answer.add_done_callback(_read)
        if not done:
            raise Gone("no answer in time")
        try:
            return answer.result()
        except Exception as error:  # noqa: BLE001 - whatever a client of Redis raises, calls go on without it
            raise Gone(type(error).__name__) from None


def _read(answer: "asyncio.Future[Any]") -> None:
    """Take note of what it ended with, so that nobody complains that no one did."""
    if not answer.cancelled():
        answer.exception()


class _Asked:
    """What one round trip asks, as the script takes it."""

    def __init__(
        self,
        prefix: str,
        wanted: Sequence[_Take],
        owed: Sequence[_Settlement],
        renewed: Mapping[str, Sequence[str]],
    ) -> None:
        self._prefix = prefix
        self._numbers: dict[str, int] = {}
        settlements = [
            {
                "mark": self._number(each.mark),
                "how": each.how,
                "lease": each.lease,
                "changes": [
                    (*self._told(change.counter), *map(_bounded, change[1:])) for change in each.changes
                ],
            }
            for each in owed
        ]
        takes = [
            {
                "mark": self._number(f"mark:{each.lease}"),
                "lease": each.lease,
                "demands": [(*self._told(counter), _bounded(amount)) for counter, amount in each.demands],
            }
            for each in wanted
        ]
        self.body = orjson.dumps({
            "settlements": settlements,
            "renewals": [(self._number(name), *leases) for name, leases in renewed.items()],
            "takes": takes,
            "lease_seconds": LEASE_SECONDS,
            "mark_seconds": MARK_SECONDS,
        })
        self.keys = list(self._numbers)

    def _told(self, counter: Counter) -> tuple[int, str, int, str]:
        return self._number(counter.name), counter.kind, counter.limit, counter.period

    def _number(self, name: str) -> int:
        """A key's number, from 1."""
        return self._numbers.setdefault(self._prefix + name, len(self._numbers) + 1)


def _bounded(number: float) -> float:
    """A number that JSON and Lua can hold, whoever made it up."""
    return max(-MOST, min(number, MOST))


class _Script:
    """A script, sent by its hash; whole where Redis does not know it (any more)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._hash = sha1(text.encode(), usedforsecurity=False).hexdigest()  # what Redis calls it by

    async def run(self, client: Client, keys: Sequence[str], body: bytes) -> Any:
        try:
            return await client.evalsha(self._hash, len(keys), *keys, body)
        except NoScriptError:
            return await client.eval(self.text, len(keys), *keys, body)


def _verdict(demands: Sequence[Demand], now: float, judged: Sequence[Any]) -> Verdict:
    if judged[0] == _TAKEN_BACK:  # nobody waits for it
        return Verdict(0, 0.0, (), now)
    refused = int(judged[0]) - 1
    used = [float(each) for each in judged[1:]]
    if refused < 0:
        return Verdict(None, 0.0, used, now)
    counter, amount = demands[refused]
    wait = (
        math.inf
        if amount > counter.limit
        else wait_seconds(counter, counter.limit, used[refused] + amount, now)
    )
    return Verdict(refused, wait, used, now)


_PAUSE_SECONDS = 0.5
"""Between two tries to settle while Redis is gone."""

_GRACE_SECONDS = 0.02

_TAKEN_BACK = b"-1"
