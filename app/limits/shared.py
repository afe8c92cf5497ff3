"""Counters in Redis, shared by all workers and hosts: one round trip to take, and what is given back follows.

Everything is under one hash tag, so that one script may touch all counters of a call on a cluster, too. Redis' own
clock is the only one that counts.
"""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, TypeAlias

import orjson
from redis.exceptions import NoScriptError, RedisError

from app.limits.counters import Counter, Demand, Verdict
from app.limits.memory import reset_seconds, wait_seconds
from app.redis_connection import Client

LEASE_SECONDS = 60
"""For how long a call holds its slots without being renewed: what a killed worker held is free after that."""
RENEWAL_SECONDS = 20.0
MARK_SECONDS = 90_000
"""For how long a reservation can be given back: longer than the longest call (`wishes.MOST_SECONDS`)."""
MOST_OWED = 100_000
"""Settlements that wait for a Redis that is gone; the oldest are dropped beyond, and what they would have given back
stays used.
"""
BATCH = 200
"""Settlements carried out by one script."""

Change: TypeAlias = tuple[Counter, float, float]
"""A counter, by how much it changes, and when (Redis' time) what changes was reserved."""


class Gone(Exception):
    """Redis did not answer in time, or not at all."""


@dataclass(frozen=True, slots=True)
class _Settlement:
    mark: str
    how: Literal["give", "charge"]
    lease: str
    changes: Sequence[Change]

    @classmethod
    def charge(cls, changes: Sequence[Change]) -> "_Settlement":
        return cls(f"charge:{secrets.token_hex(8)}", "charge", "", changes)


class Shared:
    """Counts in Redis. Raises Gone where it does not answer within the bound.

    `timed` is told how long each answer took, in seconds.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        timeout_seconds: float,
        timed: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._prefix = f"{{{prefix}}}:"
        self._timeout_seconds = timeout_seconds
        self._timed = timed
        self._take = _Script("take")
        self._give = _Script("give")
        self._owed: deque[_Settlement] = deque(maxlen=MOST_OWED)
        self._held: dict[str, Sequence[str]] = {}
        """The slots that calls of this worker hold, by lease."""
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Future[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._settle()), asyncio.ensure_future(self._renew())]

    async def stop(self) -> None:
        """Settle what is owed, as far as Redis answers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            while self._owed:
                await self.pay()
        except Gone:
            pass
        await self._client.aclose()

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        keys = [f"{self._prefix}mark:{lease}", *(self._prefix + counter.name for counter, _ in demands)]
        given: list[str | int] = [lease, LEASE_SECONDS, MARK_SECONDS]
        for counter, amount in demands:
            given += (counter.kind, counter.limit, amount, counter.period)
        reply = await self._ask(self._take, keys, given)
        verdict = _verdict(demands, reply)
        slots = [counter.name for counter, _ in demands if counter.kind == "slots"]
        if slots and verdict.refused is None:
            self._held[lease] = slots
        return verdict

    def give(self, demands: Sequence[Demand], used: Sequence[int], lease: str, verdict: Verdict) -> None:
        self._held.pop(lease, None)
        changes = [
            (counter, spent - amount, verdict.now)
            for (counter, amount), spent in zip(demands, used, strict=True)
            if spent != amount or counter.kind == "slots"
        ]
        self._owe(_Settlement(f"mark:{lease}", "give", lease, changes))

    def charge(self, changes: Sequence[Change]) -> None:
        """Count what was used without having been asked for here."""
        self._owe(_Settlement.charge(changes))

    async def probe(self) -> None:
        """Raises Gone where Redis is not there, or cannot be written."""
        await self._bounded(self._client.set(f"{self._prefix}probe", 1, ex=60))

    async def pay(self) -> None:
        """Carry out one batch of what is owed."""
        batch = [self._owed.popleft() for _ in range(min(BATCH, len(self._owed)))]
        keys: dict[str, int] = {}

        def number(name: str) -> int:
            return keys.setdefault(self._prefix + name, len(keys) + 1)

        told = [
            {
                "mark": number(each.mark),
                "how": each.how,
                "lease": each.lease,
                "changes": [
                    (number(counter.name), counter.kind, counter.limit, counter.period, delta, at)
                    for counter, delta, at in each.changes
                ],
            }
            for each in batch
        ]
        try:
            await self._ask(self._give, list(keys), [orjson.dumps(told)])
        except Gone:
            self._owed.extendleft(reversed(batch))
            raise

    def _owe(self, settlement: _Settlement) -> None:
        self._owed.append(settlement)
        self._work.set()

    async def _settle(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while self._owed:
                    await self.pay()
            except Gone:
                await asyncio.sleep(_PAUSE_SECONDS)
                self._work.set()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            slots: dict[str, list[str]] = {}
            for lease, names in self._held.items():
                for name in names:
                    slots.setdefault(name, []).append(lease)
            try:
                for name, leases in slots.items():
                    await self._renewed(self._prefix + name, leases)
            except Gone:
                continue

    async def _renewed(self, key: str, leases: Sequence[str]) -> None:
        seconds, _ = await self._bounded(self._client.time())
        until: Mapping[str, float] = dict.fromkeys(leases, seconds + LEASE_SECONDS)
        await self._bounded(self._client.zadd(key, until, xx=True))
        await self._bounded(self._client.expire(key, LEASE_SECONDS + 1))

    async def _ask(self, script: "_Script", keys: Sequence[str], given: Sequence[Any]) -> Any:
        began = perf_counter()
        reply = await self._bounded(script.run(self._client, keys, given))
        self._timed(perf_counter() - began)
        return reply

    async def _bounded(self, asked: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asked
        except (RedisError, OSError, TimeoutError) as error:
            raise Gone(type(error).__name__) from None


class _Script:
    """A script of this folder, sent by its hash; whole where Redis does not know it (any more)."""

    def __init__(self, name: str) -> None:
        folder = Path(__file__).parent
        parts = [(folder / f"{each}.lua").read_text("utf-8") for each in ("counters", name)]
        self._text = "\n".join(parts)
        self._hash = sha1(self._text.encode(), usedforsecurity=False).hexdigest()  # what Redis calls it by

    async def run(self, client: Client, keys: Sequence[str], given: Sequence[Any]) -> Any:
        try:
            return await client.evalsha(self._hash, len(keys), *keys, *given)
        except NoScriptError:
            return await client.eval(self._text, len(keys), *keys, *given)


def _verdict(demands: Sequence[Demand], reply: Sequence[Any]) -> Verdict:
    refused = int(reply[0]) - 1
    now, *used = map(float, reply[1:])
    resets = [
        reset_seconds(counter, counter.limit, each, now)
        for (counter, _), each in zip(demands, used, strict=True)
    ]
    if refused < 0:
        return Verdict(None, 0.0, used, resets, now)
    counter, amount = demands[refused]
    wait = (
        math.inf
        if amount > counter.limit
        else wait_seconds(counter, counter.limit, used[refused] + amount, now)
    )
    return Verdict(refused, wait, used, resets, now)


_PAUSE_SECONDS = 0.5
"""Between two tries to settle while Redis is gone."""
