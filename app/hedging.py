"""A second attempt beside one that is slow: when it is worth it, and what becomes of both."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from app.contracts import Hedging, Route

SAMPLES = 200
"""How many of the last first contents are remembered for each upstream's model."""
FEWEST = 20
"""With fewer nobody knows what is slow."""
PERCENTILE = 0.95
MOST_SAVED = 2.0
"""How many hedges may be saved up, so that a quiet hour does not allow a burst."""
MOST_MODELS = 1000


class Held(Protocol):
    """What an attempt gives: something to be left."""

    async def leave(self, error: BaseException | None) -> None: ...


HeldT = TypeVar("HeldT", bound=Held)


@dataclass(slots=True)
class _Memory:
    """Of one upstream's model: seconds to the first content, and what share of a hedge has been saved up."""

    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    saved: float = 0.0


class Hedges:
    """Remembers how fast first contents come, and how many hedges may still be made."""

    def __init__(self) -> None:
        self._memories: dict[tuple[str, str], _Memory] = {}

    def after_seconds(self, route: Route, hedging: Hedging) -> float | None:
        """A request begins: how long it may take before it is slow; None where that is not known."""
        memory = self._memory(route)
        memory.saved = min(memory.saved + hedging.share, MOST_SAVED)
        if hedging.after_seconds is not None:
            return hedging.after_seconds
        if len(memory.seconds) < FEWEST:
            return None
        return sorted(memory.seconds)[int(PERCENTILE * len(memory.seconds))]

    def spend(self, route: Route) -> bool:
        """Take one hedge; False where the share is used up."""
        memory = self._memory(route)
        if memory.saved < 1:
            return False
        memory.saved -= 1
        return True

    def note(self, route: Route, seconds: float) -> None:
        """A first content came after so many seconds."""
        self._memory(route).seconds.append(seconds)

    def _memory(self, route: Route) -> _Memory:
        key = (route.upstream, route.model)
        memory = self._memories.get(key)
        if memory is None:
            if len(self._memories) >= MOST_MODELS:
                del self._memories[next(iter(self._memories))]
            memory = self._memories[key] = _Memory()
        return memory


async def race(
    first: Callable[[], Awaitable[HeldT]],
    second: Callable[[], Awaitable[HeldT]],
    after_seconds: float,
    allowed: Callable[[], bool],
) -> HeldT:
    """What comes first: the first attempt, or the second, begun where the first is slow and it is allowed.

    Whatever does not win is cancelled, or left where it came after all. Raises what the first one failed with
    where both fail.
    """
    tasks: list[asyncio.Future[HeldT]] = [asyncio.ensure_future(first())]
    winner: asyncio.Future[HeldT] | None = None
    try:
        await asyncio.wait(tasks, timeout=after_seconds)
        if not tasks[0].done() and allowed():
            tasks.append(asyncio.ensure_future(second()))
        winner = await _first_success(tasks)
    finally:
        try:
            await _let_go([task for task in tasks if task is not winner])
        except asyncio.CancelledError:
            if winner is not None:
                await _let_go([winner])
            raise
    try:
        return winner.result() if winner is not None else tasks[0].result()
    finally:
        del tasks  # a failure knows this frame: only the collector, which comes seldom, would free the two


async def _first_success(tasks: list[asyncio.Future[HeldT]]) -> "asyncio.Future[HeldT] | None":
    pending: set[asyncio.Future[HeldT]] = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done and task.exception() is None:
                return task
    return None


async def _let_go(tasks: "list[asyncio.Future[HeldT]]") -> None:
    """End them, whatever they have come to. Who is cancelled meanwhile is so when they have ended: they end at once."""
    cancelled: asyncio.CancelledError | None = None
    pending = set(tasks)
    for task in tasks:
        task.cancel()
    while pending:
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            await task.result().leave(asyncio.CancelledError())
    if cancelled is not None:
        raise cancelled
