"""The end of a client's connection, told to whoever wants to know."""

from collections.abc import Callable

EXTENSION = "hyperbridge.leaving"
"""The name among the scope's extensions under which the server hands it to the application."""


class Leaving:
    """One connection's end."""

    __slots__ = ("_has_come", "_tell")

    def __init__(self) -> None:
        self._has_come = False
        self._tell: Callable[[], None] | None = None

    def then(self, tell: Callable[[], None] | None) -> None:
        """Call this at the end, at once where it has been; None is nobody."""
        self._tell = tell
        if tell is not None and self._has_come:
            tell()

    def come(self) -> None:
        """The connection is lost."""
        self._has_come = True
        if self._tell is not None:
            self._tell()
