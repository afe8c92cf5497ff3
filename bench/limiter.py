"""`python -m bench.limiter`: what one admission and its settlement cost, in CPU time of this process.

The whole path of a call through the limiter: which limits it falls under, the estimate of its tokens, the counters,
the headers, and what is given back. Figures are those of the fastest of many interleaved rounds: what else the machine
does only adds.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import uvloop

from app.allowance import Allowance, Bound
from app.contracts import Call, Caller, Plan, Route
from app.limits.limited import Limited
from app.limits.memory import Memory
from app.limits.rules import Rule, Rules
from app.limits.shared import Shared
from app.operations import CHAT
from app.redis_connection import connect
from app.usage import Usage
from app.wire import Request
from bench.clocks import own_cpu_ns
from chaos.redis_server import redis_server

GOAL_US = 15
ROUNDS = 25
TYPICAL = "requests and tokens"
BODY = b'{"model":"words","max_tokens":100,"messages":[{"role":"user","content":"' + b"word " * 40 + b'"}]}'
PLENTY = Allowance(
    requests=(Bound(10**9, "minute"),),
    tokens=(Bound(10**12, "minute"),),
    usd=(Bound(10**15, "month"),),
    concurrent=10**6,
)
_Case: TypeAlias = tuple[str, str, int]
"""The limits, where they are counted, and how many calls at once."""

CASES: dict[str, Sequence[Rule]] = {
    "no limits": (),
    "requests": (Rule("key", Allowance(requests=PLENTY.requests)),),
    TYPICAL: (Rule("key", Allowance(requests=PLENTY.requests, tokens=PLENTY.tokens)),),
    "requests, tokens, money and calls of a key": (Rule("key", PLENTY),),
    "the same, and of its user and of everyone": (
        Rule("key", PLENTY),
        Rule("user", PLENTY),
        Rule("everyone", PLENTY),
    ),
}


def main() -> None:
    """Print a table."""
    asked = argparse.ArgumentParser(prog="python -m bench.limiter", description=__doc__)
    asked.add_argument("--calls", type=int, default=2000, help="in each round, default 2000")
    with TemporaryDirectory() as folder:
        print(uvloop.run(_measured(Path(folder), asked.parse_args().calls)))


async def _measured(folder: Path, calls: int) -> str:
    with redis_server(folder) as server:
        shared = Shared(connect(server.url, 1.0), "bench", 1.0)
        shared.start()
        limiters = {
            (case, where, at_once): Limited(
                Rules(rules), counters, 1024, lambda _, usage: usage.output_tokens, lambda *_: None
            )
            for case, rules in CASES.items()
            for where, counters, at_once in (
                ("memory", Memory(), 1),
                ("redis", shared, 1),
                ("redis", shared, 32),
            )
        }
        spent: dict[_Case, list[float]] = {each: [] for each in limiters}
        waited: dict[_Case, list[float]] = {each: [] for each in limiters}
        for _ in range(ROUNDS):
            for each, limiter in limiters.items():
                cpu, wall = await _round(limiter, calls, each[-1])
                spent[each].append(cpu)
                waited[each].append(wall)
        await shared.stop()
    return _table(spent, waited)


async def _round(limiter: Limited, calls: int, at_once: int) -> tuple[float, float]:
    """Microseconds of CPU for each call, and of waiting where one comes after the other."""
    request = Request.parse(BODY, CHAT)
    route = Route("up", "model", "words", "configured")
    caller = Caller("frontend")

    async def some() -> None:
        for number in range(calls // at_once):
            call = Call(str(number), CHAT, request, caller, (), 0.0)
            async with limiter.admit(call, Plan((route,))) as permit:
                permit.settle("words", Usage(60, 40), 40)

    began, cpu = time.perf_counter(), own_cpu_ns()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return (own_cpu_ns() - cpu) / calls / 1000, (time.perf_counter() - began) / calls * 1e6


def _table(spent: dict[_Case, list[float]], waited: dict[_Case, list[float]]) -> str:
    lines = [
        "| limits | memory, CPU | Redis, CPU, one at a time | waiting | Redis, CPU, 32 at once |",
        "| :-- | --: | --: | --: | --: |",
        *(
            f"| {case} | {min(spent[case, 'memory', 1]):.1f} us | {min(spent[case, 'redis', 1]):.0f} us"
            f" | {min(waited[case, 'redis', 1]):.0f} us | {min(spent[case, 'redis', 32]):.0f} us |"
            for case in CASES
        ),
    ]
    holds = "met" if min(spent[TYPICAL, "memory", 1]) < GOAL_US else "missed"
    return "\n".join([*lines, "", f"Goal in memory for {TYPICAL}, below {GOAL_US} us: {holds}."])


if __name__ == "__main__":
    main()
