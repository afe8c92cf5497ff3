"""How far a run is, and when it will be over."""

import sys
from collections.abc import Callable
from typing import TextIO

_STEPS = 20
"""Lines in a file or a pipe; a terminal's line is written anew each second."""


class Progress:
    """Tells of it in one line of a terminal, or in some lines elsewhere."""

    def __init__(self, clock: Callable[[], float], stream: TextIO | None = None) -> None:
        self._clock = clock
        self._stream = stream or sys.stderr
        self._began = clock()
        self._told = -1.0

    def __call__(self, done: int, total: int, failed: int) -> None:
        now = self._clock() - self._began
        is_last = done == total
        if self._stream.isatty():
            if is_last or now - self._told >= 1:
                self._told = now
                end = "\n" if is_last else ""
                self._stream.write(f"\r\x1b[K{_line(done, total, failed, now)}{end}")
        elif is_last or done % max(total // _STEPS, 1) == 0:
            self._stream.write(f"{_line(done, total, failed, now)}\n")
        self._stream.flush()


def _line(done: int, total: int, failed: int, seconds: float) -> str:
    left = seconds / done * (total - done)
    said = f"{done} of {total} questions, about {left // 60:.0f} min {left % 60:.0f} s left"
    return f"{said}, {failed} calls failed" if failed else said
