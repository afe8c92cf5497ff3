"""Puts a cell's load on a port and says what came back."""

import asyncio
import gc
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from bench.cells import Cell, request
from bench.connection import Connection, Fault, check

PATIENCE_SECONDS = 90.0
"""How long answers that are under way may take once a cell's time is over."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where to ask, with which key, and whether answers come through to the byte."""

    port: int
    key: str = ""
    verbatim: bool = True


@dataclass(slots=True)
class Outcome:
    """What came back. Latencies are seconds from a request's write to the last byte of its answer."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


class Load:
    """One cell's load on one door, over connections that are open already."""

    def __init__(self, door: Door, cell: Cell, connections: Sequence[Connection]) -> None:
        self._door = door
        self._cell = cell
        self._connections = connections
        self._request = request(cell.model, cell.prompt, door.key)
        self.outcome = Outcome()

    async def once(self) -> None:
        """One request on each connection, all at once."""
        await asyncio.gather(*map(self._ask, self._connections))

    async def put(self, seconds: float) -> Outcome:
        """Ask for so many seconds, and wait for the answers that are under way then."""
        begun = perf_counter()
        rate = self._cell.per_second
        with _collector_off():
            try:
                async with asyncio.timeout(seconds + PATIENCE_SECONDS):
                    await (self._closed(begun + seconds) if rate is None else self._paced(rate, seconds))
            except TimeoutError:
                self.outcome.faults[f"answers were missing {PATIENCE_SECONDS:.0f} s after the end"] += 1
        self.outcome.seconds = perf_counter() - begun
        return self.outcome

    async def _closed(self, until: float) -> None:
        """Each connection asks again as soon as it was answered."""

        async def lane(connection: Connection) -> None:
            while await self._ask(connection) and perf_counter() < until:
                pass

        await asyncio.gather(*map(lane, self._connections))

    async def _paced(self, per_second: float, seconds: float) -> None:
        """Ask at even moments, whatever has been answered by then."""
        free = list(self._connections)

        async def one(connection: Connection) -> None:
            if await self._ask(connection):
                free.append(connection)

        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as asking:
            for number in range(round(seconds * per_second)):
                await asyncio.sleep(begun + number / per_second - loop.time())
                if not free:
                    self.outcome.faults["no connection was free: the target fell behind"] += 1
                    break
                asking.create_task(one(free.pop()))

    async def _ask(self, connection: Connection) -> bool:
        """Ask and check once; a fault is counted, and the connection not used again."""
        begun = perf_counter()
        try:
            body = await connection.ask(self._request)
            self.outcome.latencies.append(perf_counter() - begun)
            check(body, self._cell.model, verbatim=self._door.verbatim)
        except Fault as fault:
            self.outcome.faults[str(fault)] += 1
            return False
        return True


@contextmanager
def _collector_off() -> Generator[None]:
    """Keep the garbage collector's pauses out of what is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
