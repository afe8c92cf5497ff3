"""The end of a client's connection, told to whoever wants to know."""

from collections.abc import Callable
from time import perf_counter

EXTENSION = "hyperbridge.leaving"
"""The name among the scope's extensions under which the server hands it to the application."""


class Leaving:
    """One connection's end. `moment` is when it came (`time.perf_counter`), 0.0 is not yet."""

    __slots__ = ("_tell", "moment")

    def __init__(self) -> None:
        self.moment = 0.0
        self._tell: Callable[[], None] | None = None

    def then(self, tell: Callable[[], None] | None) -> None:
        """Call this at the end, at once where it has been; None is nobody."""
        self._tell = tell
        if tell is not None and self.moment:
            tell()

    def come(self) -> None:
        """The connection is lost."""
        self.moment = perf_counter()
        if self._tell is not None:
            self._tell()
