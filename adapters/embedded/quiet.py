"""Keeps native code from writing to standard error.

llama.cpp and the grammar library in it write there past any log level, and not only about themselves: a JSON
schema that a client sent, or a token that was generated.
"""

import os
import sys

_STDERR = 2


class Quiet:
    """While anyone is inside, file descriptor 2 leads nowhere; what Python writes goes where it went before.

    Counts who is inside: several upstreams may start and stop in any order.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._kept = -1

    def enter(self) -> None:
        self._inside += 1
        if self._inside > 1:
            return
        self._kept = os.dup(_STDERR)
        if sys.stderr is sys.__stderr__:
            sys.stderr = open(self._kept, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)

    def leave(self) -> None:
        self._inside -= 1
        if self._inside:
            return
        os.dup2(self._kept, _STDERR)
        if sys.stderr is not None and sys.stderr.fileno() == self._kept and sys.__stderr__ is not None:
            sys.stderr = sys.__stderr__
        os.close(self._kept)


QUIET = Quiet()
