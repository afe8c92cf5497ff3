"""Processes of the benchmark: started on a core of their own choosing, stopped with all that they started."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the target has to itself, and which the load and the upstream share."""

    target: int
    load: int

    @classmethod
    def of_this_machine(cls) -> "Cores":
        first, *others = sorted(os.sched_getaffinity(0))
        return cls(first, others[0] if others else first)

    @property
    def apart(self) -> bool:
        return self.target != self.load


@contextmanager
def pinned(core: int) -> Generator[None]:
    """Hold this thread, and what it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def server(
    command: Sequence[str], *, core: int, environment: Mapping[str, str], log: Path
) -> AsyncGenerator[Process]:
    """Hold a server whose output goes to a file; it sees nothing of our environment but what any program needs."""
    with log.open("ab") as sink, pinned(core):
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_plain_environment() | dict(environment),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await _stop(process)


@asynccontextmanager
async def module(name: str, *, core: int) -> AsyncGenerator[Process]:
    """Hold one of our own modules that is spoken to over its standard input and output."""
    with pinned(core):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", name, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
    try:
        yield process
    finally:
        await _stop(process)


async def line_from(process: Process) -> str:
    """The next line of its output. Raises RuntimeError where it ended instead."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the benchmark ended by itself with {await process.wait()}")
    return line.decode()


def _plain_environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


async def _stop(process: Process) -> None:
    """Ask the whole group to end, then end it."""
    try:
        _signal(process, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
    finally:
        _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
