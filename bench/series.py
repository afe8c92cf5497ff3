"""The run itself: every target started, cells interleaved between them, in an order that rotates."""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench import clocks
from bench.cells import WARM_UPS, Cell
from bench.measuring import Meter
from bench.processes import Cores, pinned
from bench.samples import Sample, Start
from bench.targets import Running, Site, Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: each cell on each target, so often, for so many seconds."""

    targets: Sequence[Target]
    cells: Sequence[Cell]
    repetitions: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A target that has answered, and the resident memory it had once it was idle."""

    running: Running
    idle_bytes: int

    def start(self, repetition: int) -> Start:
        """How it started, and its memory now."""
        assert self.running.pid is not None
        return Start(
            target=self.running.name,
            repetition=repetition,
            seconds=round(self.running.start_seconds, 3),
            idle_bytes=self.idle_bytes,
            after_bytes=clocks.resident_bytes(self.running.pid),
        )


class Series:
    """Collects a plan's samples and starts."""

    def __init__(self, plan: Plan, cores: Cores) -> None:
        self._plan = plan
        self._cores = cores
        self.samples: list[Sample] = []
        self.starts: list[Start] = []

    async def run(self) -> None:
        """Carry the plan out; however this ends, no process is left."""
        models = sorted({cell.model for cell in [*self._plan.cells, *WARM_UPS]})
        with TemporaryDirectory(prefix="hyperbridge-bench-") as folder, pinned(self._cores.load):
            async with Meter.on(self._cores) as meter:
                site = Site(meter.upstream_port, models, self._cores.target, Path(folder))
                for repetition in range(self._plan.repetitions):
                    await self._repeat(repetition, meter, site)

    async def _repeat(self, repetition: int, meter: Meter, site: Site) -> None:
        async with AsyncExitStack() as held:
            standing = [
                await self._start(target, site, held) for target in rotated(self._plan.targets, repetition)
            ]
            for turn, cell in enumerate(self._plan.cells):
                for each in rotated(standing, turn):
                    sample = await meter.measure(each.running, cell, repetition, self._plan.seconds)
                    self.samples.append(sample)
                    self._say(sample)
            self.starts += [each.start(repetition) for each in standing if each.running.pid is not None]

    async def _start(self, target: Target, site: Site, held: AsyncExitStack) -> Standing:
        tell(f"starting {target.name} {target.version}")
        running = await held.enter_async_context(target.running(site))
        if running.pid is None:
            return Standing(running, 0)
        await clocks.idle(running.pid)
        return Standing(running, clocks.resident_bytes(running.pid))

    def _say(self, sample: Sample) -> None:
        cpu = "" if sample.cpu_ns is None else f", {sample.cpu_ns / 1e6:.0f} ms of CPU"
        faults = "".join(f"; INVALID: {reason} ({times} times)" for reason, times in sample.faults.items())
        tell(
            f"{sample.repetition + 1}/{self._plan.repetitions} {sample.cell} on {sample.target}: "
            f"{sample.requests} answers in {sample.seconds:.1f} s{cpu}{faults}"
        )


def tell(line: str) -> None:
    """Progress, beside the report."""
    print(line, file=sys.stderr, flush=True)


def rotated(things: Sequence[T], turn: int) -> Sequence[T]:
    """The same things with another one first, so that none always comes after the same one."""
    start = turn % len(things)
    return [*things[start:], *things[:start]]
