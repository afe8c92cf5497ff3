"""A clock that stands still while there is anything to do, and then jumps to what comes next: no test waits for it."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")
BEGIN = 1024.0
"""Where it stands at first, in seconds; sums with fractions of two are exact."""


class StoppedLoop(asyncio.SelectorEventLoop):
    """An event loop that goes by this clock."""

    def __init__(self) -> None:
        self.now = BEGIN
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: StoppedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen again"
        self._loop.now += max(timeout, 0.0)
        return super().select(0)


def stopped(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """The test, by this clock."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=StoppedLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time() - BEGIN
