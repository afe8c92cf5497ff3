"""Many calls through a gateway in a process of its own: whether its memory comes to rest."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import linear_regression
from tempfile import TemporaryDirectory

from bench.clocks import resident_bytes
from chaos.client import Heard, Request, ask
from chaos.faults import CLOSED, Plan, configuration, route
from chaos.findings import Finding
from chaos.serving import twin

AT_ONCE = 64
PLANS = 12
"""Few, so that all that is kept for each configured name is there before the second half begins."""
LONGEST_SECONDS = 0.4
"""The deadline of most plans: silence is as good as long as it is short."""
SAMPLES = 200
MIB = 1024 * 1024
BOUND_MIB = 1.0
"""Growth of the resident memory for each 10,000 calls, over the second half of them."""


@dataclass(slots=True)
class Soak:
    """What was seen: resident bytes after so many calls, and what was wrong with answers."""

    samples: list[tuple[int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    calls: int = 0

    def note(self, heard: Heard, memory: Callable[[], int], every: int) -> None:
        """One more call is over."""
        self.calls += 1
        if fault := heard.fault():
            self.faults.append(f"{fault}: {heard.request}")
        if self.calls % every == 0:
            self.samples.append((self.calls, memory()))

    @property
    def slope_mib(self) -> float:
        """Growth for each 10,000 calls, by least squares over the second half."""
        half = self.samples[len(self.samples) // 2 :]
        calls, sizes = zip(*half, strict=True)
        return linear_regression(calls, sizes).slope * 10_000 / MIB


async def soak(random: Random, calls: int, said: Callable[[str], None]) -> Soak:
    """So many calls, faults and clients that leave among them; `said` hears of the progress."""
    plans = [replace(Plan.drawn(random), deadline=LONGEST_SECONDS) for _ in range(PLANS)]
    seen = Soak()
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with twin() as (upstream, url):
            upstream.keeps, upstream.keeps_bodies = 1, False
            settings = configuration(plans, url, logs={"file": str(folder / "exchange.log")})
            (folder / "hyperbridge.yaml").write_text(settings, encoding="utf-8")
            async with _gateway(folder / "hyperbridge.yaml") as (process, port):
                waiting = _requests(random, plans, calls)
                every = max(calls // SAMPLES, 1)

                async def client() -> None:
                    for request in waiting:
                        seen.note(await ask(port, request), lambda: resident_bytes(process.pid), every)
                        if seen.calls % max(calls // 10, 1) == 0:
                            said(f"soak: {seen.calls} of {calls} calls")

                async with asyncio.TaskGroup() as clients:
                    for _ in range(AT_ONCE):
                        clients.create_task(client())
    return seen


def findings(seen: Soak, bound_mib: float = BOUND_MIB) -> Sequence[Finding]:
    """What the soak shows. A short one needs another bound, since at first things are made that then stay."""
    first, last = seen.samples[0][1] / MIB, seen.samples[-1][1] / MIB
    return [
        Finding(
            f"The gateway's memory grows by less than {bound_mib:g} MiB for each 10,000 calls",
            f"{seen.slope_mib:+.2f} MiB over the second half of {seen.calls} calls ({first:.0f} MiB, then {last:.0f} MiB)",
            seen.slope_mib < bound_mib,
        ),
        Finding(
            "Every answer is whole to the word, says that it is not, or has no client any more",
            f"{seen.calls - len(seen.faults)} of {seen.calls}",
            not seen.faults,
            seen.faults,
        ),
    ]


def _requests(random: Random, plans: Sequence[Plan], calls: int) -> Iterator[Request]:
    """Calls by the names of plans, and as many by names that nobody knows beforehand, each with faults of its own."""
    for number in range(calls):
        place = random.randrange(len(plans))
        words = plans[place].words
        script = route(random, words) if random.randrange(2) else CLOSED
        model = f"plan-{place}" if script == CLOSED else f"direct/own-{number}?{script}"
        yield Request(
            id=f"soak-{number}",
            model=model,
            words=words,
            stream=random.choice((True, True, False)),
            timeout_seconds=LONGEST_SECONDS,
            leaves_after=random.uniform(0, 0.2) if random.randrange(8) == 0 else None,
        )


@asynccontextmanager
async def _gateway(settings: Path) -> AsyncGenerator[tuple[Process, int]]:
    """A running `hyperbridge serve`, and the port that it has taken."""
    command = [sys.executable, "-m", "app", "serve", "--port", "0", "--config", str(settings)]
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    assert process.stdout is not None
    try:
        found = re.search(rb"http://\S+:(\d+)", await process.stdout.readline())
        assert found is not None, "the gateway has not started"
        yield process, int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
