"""What a call needs of the configuration, as one value. A call keeps the one that it began with, to its end."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from app import config
from app.bounds import Bounds
from app.contracts import Source
from app.exchange import Exchange
from app.prices import Prices
from app.prompt_hash import PromptHash
from app.rehearsal import Rehearsal
from app.routing.router import Router
from app.scene_vectors import Vectors


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that a configuration decides about calls, and the upstreams that it names."""

    settings: config.Config
    exchange: Exchange
    routing: Router
    prices: Prices
    sources: Mapping[str, Source]
    bounds: Bounds
    prompt_hash: PromptHash
    rehearsal: Rehearsal
    vectors: Vectors | None = None

    @property
    def max_body_bytes(self) -> int:
        return self.settings.server.max_body_bytes

    @property
    def heartbeat_seconds(self) -> float:
        return self.settings.server.heartbeat_seconds


class Term:
    """The time of a setup: while it is in force, and then until the last call that began with it has ended.

    A call is in its block.
    """

    __slots__ = ("_calls", "_over", "setup")

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._calls = 0
        self._over: asyncio.Event | None = None

    def __enter__(self) -> Setup:
        self._calls += 1
        return self.setup

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls -= 1
        if self._over is not None and not self._calls:
            self._over.set()

    @property
    def has_calls(self) -> bool:
        return self._calls > 0

    async def over(self, seconds: float) -> None:
        """Until no call is left in it that is not in force any more, at most so long."""
        if self._calls:
            self._over = self._over or asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._over.wait()


class InForce:
    """The setup that is in force, by its term: what a call enters, without waiting in between."""

    __slots__ = ("term",)

    def __init__(self, setup: Setup) -> None:
        self.term = Term(setup)

    @property
    def setup(self) -> Setup:
        return self.term.setup

    def replace(self, setup: Setup) -> Term:
        """Calls that begin from here on use this one. Returns the term that has ended."""
        before, self.term = self.term, Term(setup)
        return before
