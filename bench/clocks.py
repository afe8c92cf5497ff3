"""What a process tree has used, as the kernel counts it (Linux)."""

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

QUIET_NS = 2_000_000
"""A tree that uses less CPU time than this in a look is idle: 2 %."""
LOOK_SECONDS = 0.1
QUIET_LOOKS = 3
"""Work that is put off, such as a log that is written five times a second, must show before a tree counts as idle."""
LOOKS = 300

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Unsteady(Exception):
    """A tree whose use cannot be told: a process in it ended, or it never rests."""


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    pids = [pid]
    for parent in pids:
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end between two lines
                pids += map(int, listing.read_text(encoding="ascii").split())
    return pids


def cpu_ns(pid: int) -> dict[int, int]:
    """CPU time of each process in the tree, user and kernel, all threads, in nanoseconds."""
    return {each: time.clock_gettime_ns(_process_clock(each)) for each in tree(pid)}


def used_ns(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """CPU time of the tree between two readings."""
    if gone := before.keys() - after.keys():
        raise Unsteady(f"{len(gone)} processes of a target ended, and what they used is no longer to be seen")
    return sum(after.values()) - sum(before.values())


def own_cpu_ns() -> int:
    """CPU time of this process."""
    return time.process_time_ns()


def resident_bytes(pid: int) -> int:
    """Resident memory of the tree; pages that its processes share count once for each."""
    statms = (Path(f"/proc/{each}/statm").read_text(encoding="ascii") for each in tree(pid))
    return sum(int(statm.split()[1]) for statm in statms) * _PAGE_BYTES


def busy_seconds(core: int) -> float:
    """How long a core has worked for anyone since the machine started; counted in hundredths."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    fields = next(line.split()[1:9] for line in lines if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / _TICKS


async def idle(pid: int) -> None:
    """Wait until the tree has nothing left to do."""
    quiet = 0
    before = cpu_ns(pid)
    for _ in range(LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        after = cpu_ns(pid)
        quiet = quiet + 1 if used_ns(before, after) < QUIET_NS else 0
        if quiet == QUIET_LOOKS:
            return
        before = after
    raise Unsteady(f"a target did not come to rest within {LOOKS * LOOK_SECONDS:.0f} s")


def _process_clock(pid: int) -> int:
    """The clock of another process, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2
