"""One cell on one target: load, CPU clocks, latencies, and what else went on meanwhile."""

from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from math import ceil
from time import perf_counter

from bench import clocks
from bench.cells import Cell, warm_up
from bench.connection import connect
from bench.load import Load
from bench.processes import Cores, line_from, module
from bench.samples import Sample
from bench.targets import Running


@dataclass(frozen=True, slots=True)
class Use:
    """CPU time between two readings in ns, and the share of the target's core that went to others."""

    target_ns: int
    load_ns: int
    foreign_cores: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment: CPU time by process in ns; seconds that the target's core was busy; seconds."""

    target_ns: Mapping[int, int]
    load_ns: Mapping[int, int]
    probe_ns: Mapping[int, int]
    core_busy: float
    moment: float

    def since(self, before: "Reading") -> Use:
        target_ns = clocks.used_ns(before.target_ns, self.target_ns)
        ours = (target_ns + clocks.used_ns(before.probe_ns, self.probe_ns)) / 1e9
        others = max(0.0, self.core_busy - before.core_busy - ours)
        load_ns = clocks.used_ns(before.load_ns, self.load_ns)
        return Use(target_ns, load_ns, round(others / (self.moment - before.moment), 2))


class Meter:
    """Holds the upstream and the probe, and reads the clocks."""

    def __init__(self, cores: Cores, upstream: Process, upstream_port: int, probe: Process) -> None:
        self.upstream_port = upstream_port
        self._cores = cores
        self._upstream = upstream
        self._probe = probe

    @classmethod
    @asynccontextmanager
    async def on(cls, cores: Cores) -> "AsyncGenerator[Meter]":
        """Hold a meter on these cores."""
        async with (
            module("bench.upstream", core=cores.load) as upstream,
            module("bench.probe", core=cores.target) as probe,
        ):
            yield cls(cores, upstream, int(await line_from(upstream)), probe)

    async def measure(self, running: Running, cell: Cell, repetition: int, seconds: float) -> Sample:
        """Put the cell's load on a target for so many seconds."""
        async with AsyncExitStack() as held:
            connections = await connect(running.door.port, cell.connections, held)
            await Load(running.door, warm_up(cell), connections).once()
            before = await self._read(running)
            await self._work_ns()  # what the probe saw until here is of no interest
            outcome = await Load(running.door, cell, connections).put(seconds * cell.lasts)
            probe_ns = await self._work_ns()
            after = await self._read(running)
        use = after.since(before)
        latencies = sorted(outcome.latencies)
        return Sample(
            target=running.name,
            cell=cell.name,
            repetition=repetition,
            requests=len(latencies),
            chunks=len(latencies) * cell.chunks,
            seconds=round(outcome.seconds, 3),
            cpu_ns=None if running.pid is None else use.target_ns,
            p50_ms=percentile(latencies, 0.5) * 1000,
            p99_ms=percentile(latencies, 0.99) * 1000,
            probe_ns=probe_ns,
            foreign_cores=use.foreign_cores,
            load_cores=round(use.load_ns / 1e9 / outcome.seconds, 2),
            faults=dict(outcome.faults),
        )

    async def _read(self, running: Running) -> Reading:
        """The clocks, once the target has nothing left to do."""
        if running.pid is not None:
            await clocks.idle(running.pid)
        return Reading(
            target_ns={} if running.pid is None else clocks.cpu_ns(running.pid),
            load_ns=clocks.cpu_ns(self._upstream.pid) | {0: clocks.own_cpu_ns()},
            probe_ns=clocks.cpu_ns(self._probe.pid),
            core_busy=clocks.busy_seconds(self._cores.target),
            moment=perf_counter(),
        )

    async def _work_ns(self) -> int:
        """What the probe's work cost since this was last asked."""
        assert self._probe.stdin is not None
        self._probe.stdin.write(b"\n")
        return int(await line_from(self._probe))


def percentile(ordered: list[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank); 0.0 where there are none."""
    return ordered[ceil(len(ordered) * share) - 1] if ordered else 0.0
