"""Nothing is lost and nothing stays behind: tokens, records, permits, connections and tasks after a storm of faults."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.contracts import Call, Headers, Permit
from app.contracts import Plan as Routes
from app.usage import Usage
from chaos.client import Heard, Request, ask
from chaos.faults import Plan, configuration
from chaos.findings import Finding
from chaos.serving import Served, gateway_of, twin
from sim.seen import Seen
from sim.server import Twin

AT_ONCE = 32
PLANS = 64
_LET_GO = frozenset({"cancelled", "client_left", "upstream_timeout"})
_UNREAD = ("malformed=", "reset=1")
"""Faults behind which nothing is read, or by which the network itself throws away what was sent."""
REST_SECONDS = 10.0
"""How long the gateway may take to come to rest, idle connections included (they are kept for half a second)."""

LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class _Counted:
    """A permit that notes what was settled."""

    plan: Routes
    settled: list[Usage]
    headers: Headers = ()

    def settle(self, name: str, usage: Usage, nano_usd: int) -> None:
        self.settled.append(usage)


class Counting:
    """A limiter that admits every call, and counts what it gave out and got back."""

    def __init__(self) -> None:
        self.admitted = 0
        self.open = 0
        self.settled: list[Usage] = []

    @asynccontextmanager
    async def admit(self, call: Call, plan: Routes) -> AsyncGenerator[Permit]:
        self.admitted += 1
        self.open += 1
        try:
            yield _Counted(plan, self.settled)
        finally:
            self.open -= 1


@dataclass(frozen=True, slots=True)
class Account:
    """One request on all three sides: what the client got, what the record counted, what the twin sent for it."""

    heard: Heard
    line: Mapping[str, Any]
    seen: Sequence[Seen]

    @property
    def got(self) -> int:
        return len(self.heard.said.split())

    @property
    def counted(self) -> int:
        tokens: int = self.line["output_tokens"]
        return tokens

    @property
    def sent(self) -> int:
        """Tokens that the twin sent: of plain answers those that went out whole, since half of one is no answer."""
        return sum(seen.sent_tokens for seen in self.seen if seen.ended or _streams(seen))

    @property
    def let_go(self) -> bool:
        """Whether the gateway let go of an answer of which more was on its way: because its client left, its time was
        over, it was broken before its end, or another attempt was faster. What is on its way has a bound: the unread
        bytes at which a connection is no longer read (adapters/http1.py), and the kernel's buffers.
        """
        tries: Sequence[Mapping[str, Any]] = self.line.get("tries") or [self.line]
        unread = any(not seen.finished or any(mark in seen.model for mark in _UNREAD) for seen in self.seen)
        return unread or any(each["outcome"] in _LET_GO for each in tries)

    def fault(self) -> str:
        """What does not add up; "" where all does."""
        read = self.let_go or self.counted == self.sent
        if read and self.got <= self.counted <= self.sent:
            return ""
        models = [(seen.model, seen.sent_tokens, seen.finished) for seen in self.seen]
        return f"client {self.got}, record {self.counted}, upstream {self.sent}: {self.line}, {models}"


def _streams(seen: Seen) -> bool:
    streams: bool = seen.json()["stream"]
    return streams


@dataclass(slots=True)
class Storm:
    """All that is known after it."""

    heard: Sequence[Heard] = ()
    lines: Sequence[Mapping[str, Any]] = ()
    seen: Mapping[str, Sequence[Seen]] = field(default_factory=dict)
    limiter: Counting = field(default_factory=Counting)
    tasks: Sequence[str] = ()
    connections: int = 0
    in_flight: str = ""

    @property
    def accounts(self) -> Sequence[Account]:
        lines = {line["id"]: line for line in self.lines}
        return [
            Account(heard, lines[heard.request.id], self.seen.get(heard.request.id, ()))
            for heard in self.heard
            if heard.request.id in lines
        ]


def findings(after: Storm) -> Sequence[Finding]:
    """What the storm shows."""
    return [*_ledger(after), *_rest(after)]


def _ledger(after: Storm) -> Sequence[Finding]:
    accounts = after.accounts
    read = [account for account in accounts if not account.let_go]
    unread = [account.sent - account.counted for account in accounts if account.let_go]
    ids = Counter(line["id"] for line in after.lines)
    once = sum(ids[heard.request.id] == 1 for heard in after.heard)
    spoken = [fault for heard in after.heard if (fault := heard.fault())]
    faults = [fault for account in accounts if (fault := account.fault())]
    got, counted, sent = (
        sum(getattr(each, side) for each in accounts) for side in ("got", "counted", "sent")
    )
    return [
        Finding(
            "Every call has one record",
            f"{len(after.heard)} calls ({sum(heard.left for heard in after.heard)} clients left), {once} with one",
            once == len(after.heard) == len(after.lines),
        ),
        Finding(
            "Every answer is whole to the word, says that it is not, or has no client any more",
            f"{len(after.heard) - len(spoken)} of {len(after.heard)}",
            not spoken,
            spoken,
        ),
        Finding(
            "Records count what upstreams sent, to the token, where answers were read until they ended or broke",
            f"{len(read)} calls: {sum(each.counted for each in read)} counted, "
            f"{sum(each.sent for each in read)} sent",
            sum(each.counted for each in read) == sum(each.sent for each in read),
        ),
        Finding(
            "In every call the client got no more than was counted, and no more was counted than was sent",
            f"{got} got, {counted} counted, {sent} sent; {sum(unread)} were on their way in {len(unread)} calls whose "
            "connections were closed before the end",
            not faults,
            faults,
        ),
        Finding(
            "What was counted was settled with the limiter",
            f"{len(after.limiter.settled)} attempts, {_settled(after)} tokens",
            _settled(after) == counted,
        ),
    ]


def _settled(after: Storm) -> int:
    return sum(usage.output_tokens for usage in after.limiter.settled)


def _rest(after: Storm) -> Sequence[Finding]:
    return [
        Finding(
            "No permit stays out",
            f"{after.limiter.admitted} out, {after.limiter.open} left",
            not after.limiter.open,
        ),
        Finding("No record stays open", after.in_flight, after.in_flight.endswith(" 0.0")),
        Finding(
            "No connection to an upstream stays open", f"{after.connections} left", not after.connections
        ),
        Finding("No task stays behind", f"{len(after.tasks)} left", not after.tasks, after.tasks),
    ]


async def storm(random: Random, requests: int) -> Storm:
    """So many requests over random plans, a quarter of whose clients leave."""
    plans = [Plan.drawn(random) for _ in range(PLANS)]
    asked = [_request(number, plans, random) for number in range(requests)]
    after = Storm()
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory()))
        upstream, url = await held.enter_async_context(twin())
        async with gateway_of(configuration(plans, url), folder, limiter=after.limiter) as gateway:
            await _metrics(gateway)
            before = asyncio.all_tasks()
            after.heard = await _all(gateway.port, asked)
            await _at_rest(upstream, before)
            after.tasks = [repr(task.get_coro()) for task in asyncio.all_tasks() - before]
            after.connections = upstream.open_connections
            after.in_flight = await _metrics(gateway)
        after.lines = [json.loads(line) for line in gateway.log_text().splitlines()]
        after.seen = _by_request(upstream.seen)
    return after


async def _all(port: int, requests: Sequence[Request]) -> Sequence[Heard]:
    waiting = iter(requests)
    heard: dict[str, Heard] = {}

    async def client() -> None:
        for request in waiting:
            heard[request.id] = await ask(port, request)

    async with asyncio.TaskGroup() as clients:
        for _ in range(AT_ONCE):
            clients.create_task(client())
    return list(heard.values())


def _by_request(seen: Sequence[Seen]) -> Mapping[str, Sequence[Seen]]:
    found: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        found[each.headers["x-request-id"]].append(each)
    return found


def _request(number: int, plans: Sequence[Plan], random: Random) -> Request:
    place = random.randrange(len(plans))
    plan = plans[place]
    return Request(
        id=f"storm-{number}",
        model=f"plan-{place}",
        words=plan.words,
        stream=random.choice((True, True, False)),
        timeout_seconds=plan.deadline if plan.by_header else None,
        leaves_after=random.uniform(0, 0.3) if random.randrange(4) == 0 else None,
    )


async def _metrics(gateway: Served) -> str:
    """The line of the metrics that says how many requests are being answered, once it is fresh."""
    await asyncio.sleep(0.6)  # it is measured twice a second
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{gateway.url}/metrics")
    return next(
        line for line in answer.text.splitlines() if line.startswith("hyperbridge_requests_in_flight")
    )


async def _at_rest(upstream: Twin, before: set[asyncio.Task[Any]]) -> None:
    """Until no connection and no task is left that was not there before, or the time is over."""
    for _ in range(round(REST_SECONDS / LOOK_SECONDS)):
        if not upstream.open_connections and not asyncio.all_tasks() - before:
            return
        await asyncio.sleep(LOOK_SECONDS)
