"""What became of the parts of prompts, so that each is encoded once, and is the same in every later turn."""

from collections import OrderedDict
from hashlib import blake2b
from threading import Lock

from scenes.shortener import Shorter

_ENTRY_BYTES = 200
"""Of an entry beside its text."""


class Memo:
    """Remembers what parts were said shorter, and which could not be: the last ones used, up to so many bytes.

    Several threads may use it at once.
    """

    def __init__(self, most_bytes: int = 0) -> None:
        self.most_bytes = most_bytes
        self._bytes = 0
        self._known: OrderedDict[bytes, Shorter | None] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> tuple[bool, Shorter | None]:
        """Whether it is known, and what came of it."""
        with self._lock:
            if key not in self._known:
                return False, None
            self._known.move_to_end(key)
            return True, self._known[key]

    def put(self, key: bytes, found: Shorter | None) -> None:
        with self._lock:
            self._forget(key)
            self._known[key] = found
            self._bytes += _size(found)
            while self._bytes > self.most_bytes:
                self._forget(next(iter(self._known)))

    def _forget(self, key: bytes) -> None:
        if key in self._known:
            self._bytes -= _size(self._known.pop(key))


def key_of(policy: bytes, text: str) -> bytes:
    """The same for the same text under the same policy (at most 64 bytes), in every process."""
    return blake2b(text.encode("utf-8", "surrogatepass"), key=policy, digest_size=16).digest()


def _size(found: Shorter | None) -> int:
    """In bytes; Python holds a text of other than Latin letters in two or four bytes a character."""
    return _ENTRY_BYTES + (0 if found is None else 2 * len(found.text))
