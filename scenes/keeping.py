"""What was made once and may be needed again, up to so many bytes; what was used longest ago is forgotten first. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Keeping(Generic[Made]):
    """Things by their names. Threads may share it; two may make the same thing at once."""

    def __init__(self, most_bytes: int, bytes_of: Callable[[Made], int]) -> None:
        """`bytes_of` says, roughly, how much memory a thing takes."""
        self._most_bytes = most_bytes
        self._bytes_of = bytes_of
        self._kept: OrderedDict[str, tuple[Made, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def of(self, name: str, make: Callable[[], Made]) -> Made:
        """The thing with this name, made where it is not kept."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name][0]
        made = make()
        self._keep(name, made, self._bytes_of(made))
        return made

    def _keep(self, name: str, made: Made, size: int) -> None:
        with self._lock:
            _, before = self._kept.pop(name, (made, 0))
            self._kept[name] = made, size
            self._bytes += size - before
            while self._bytes > self._most_bytes:
                _, (_, forgotten) = self._kept.popitem(last=False)
                self._bytes -= forgotten
