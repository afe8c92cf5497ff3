"""How far a long work is, for people: a bar on a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from tqdm import tqdm

T = TypeVar("T")

_LOG_SECONDS = 15.0


class Bar(Protocol):
    def update(self, n: float = 1) -> object: ...

    def set_postfix_str(self, s: str = "") -> None: ...


class Progress:
    """Shows bars on standard error, or nothing where `shown` is false."""

    def __init__(self, *, shown: bool = True) -> None:
        self._shown = shown

    def over(self, name: str, values: Iterable[T], total: int | None = None) -> Iterator[T]:
        """The values, counted as they pass."""
        with self.bar(name, total) as bar:
            for value in values:
                yield value
                bar.update()

    @contextmanager
    def bar(self, name: str, total: float | None = None, unit: str = "") -> Iterator[Bar]:
        """A bar to be moved on by hand."""
        seconds = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
        with tqdm(
            total=total, desc=name, unit=unit, mininterval=seconds, disable=not self._shown, leave=False
        ) as bar:
            yield bar
