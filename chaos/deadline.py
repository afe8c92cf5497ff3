"""One deadline over everything: however a call's upstreams fail, its answer ends in time, and is whole or says it is not."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from chaos.client import Heard, Request, ask
from chaos.faults import Plan, configuration
from chaos.findings import Finding
from chaos.serving import gateway_of, twin
from chaos.stolen import watching

GRACE_SECONDS = 0.25
AT_ONCE = 20
PAUSE_SECONDS = 0.01
"""Between two calls, so that they do not wait for each other's CPU time."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one plan; `stolen_seconds` went to other processes meanwhile."""

    plan: Plan
    heard: Heard
    stolen_seconds: float

    @property
    def late_seconds(self) -> float:
        """By how much the deadline was passed; negative before it."""
        return self.heard.ended - self.heard.begun - self.plan.deadline - self.stolen_seconds

    def said(self, fault: str) -> str:
        return f"{fault}: {self.heard.request}, {self.plan}"


async def batch(random: Random) -> Sequence[Tried]:
    """Random plans, each asked once; so close to each other that most of them run at the same time."""
    plans = [Plan.drawn(random) for _ in range(AT_ONCE)]
    requests = [_request(number, plan, random) for number, plan in enumerate(plans)]
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory()))
        _, url = await held.enter_async_context(twin())
        gateway = await held.enter_async_context(gateway_of(configuration(plans, url), folder))
        watch = await held.enter_async_context(watching())
        async with asyncio.TaskGroup() as asking:
            tasks = []
            for request in requests:
                tasks.append(asking.create_task(ask(gateway.port, request)))
                await asyncio.sleep(PAUSE_SECONDS)
    return [
        Tried(plan, heard, watch.between(heard.begun, heard.ended))
        for plan, heard in zip(plans, map(asyncio.Task.result, tasks), strict=True)
    ]


def findings(tried: Sequence[Tried]) -> Sequence[Finding]:
    """What these plans show."""
    late = [
        each.said(f"{each.late_seconds:.3f} s late") for each in tried if each.late_seconds > GRACE_SECONDS
    ]
    faults = [each.said(fault) for each in tried if (fault := each.heard.fault())]
    whole = sum(each.heard.status == 200 and not each.heard.told for each in tried)
    told = sum(each.heard.told for each in tried)
    latest = max(each.late_seconds for each in tried)
    stolen = max(each.stolen_seconds for each in tried)
    return [
        Finding(
            f"An answer ends by its deadline + {GRACE_SECONDS} s, whatever its routes do",
            f"{len(tried)} plans of faults, the latest {latest:+.3f} s (less up to {stolen:.3f} s in which other "
            "processes had the processor)",
            not late,
            late,
        ),
        Finding(
            "It is whole to the word, or it says that it is not",
            f"{whole} whole, {told} ended with an error event, {len(tried) - whole - told} had an error status",
            not faults,
            faults,
        ),
    ]


def _request(number: int, plan: Plan, random: Random) -> Request:
    return Request(
        id=f"deadline-{number}",
        model=f"plan-{number}",
        words=plan.words,
        stream=random.choice((True, True, False)),
        timeout_seconds=plan.deadline if plan.by_header else None,
    )
