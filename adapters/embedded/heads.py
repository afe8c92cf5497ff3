"""The head of a GGUF file (versions 2 and 3): what it says about itself, read without loading it.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"GGUF"
VERSIONS = frozenset({2, 3})

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING = 8
_ARRAY = 9
_MAX_DIMENSIONS = 4


class Unreadable(Exception):
    """The file is not a GGUF file, or not a whole one; the message ends a sentence about it."""


@dataclass(frozen=True, slots=True)
class Head:
    """A file's metadata and the shapes of its tensors; of an array only its length is kept."""

    values: Mapping[str, object]
    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, path: Path) -> "Head":
        """Raises Unreadable."""
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(data)
        except (struct.error, UnicodeDecodeError, OverflowError):
            raise Unreadable("is damaged or incomplete") from None
        except ValueError:
            raise Unreadable("is empty") from None
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from None

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture", ""))

    @property
    def is_adapter(self) -> bool:
        return self.values.get("general.type") == "adapter"

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        found = self.values.get("tokenizer.ggml.tokens", 0)
        return found if isinstance(found, int) else 0


def _read(data: mmap.mmap) -> Head:
    if data[:4] != MAGIC:
        raise Unreadable("is not a GGUF file")
    cursor = _Cursor(data, 4)
    (version,) = cursor.take("I")
    if version not in VERSIONS:
        raise Unreadable(f"is GGUF of version {version}; versions 2 and 3 are read")
    tensors, pairs = cursor.take("QQ")
    values = {}
    for _ in range(pairs):
        name = cursor.text()
        values[name] = cursor.value(*cursor.take("I"))
    shapes = {}
    offset = 0
    for _ in range(tensors):
        name = cursor.text()
        shapes[name] = cursor.shape()
        offset = max(offset, cursor.take("IQ")[1])
    if cursor.position + offset > len(data):
        raise Unreadable("is damaged or incomplete")
    return Head(values, shapes)


class _Cursor:
    """A place in the file that moves on as it is read."""

    def __init__(self, data: mmap.mmap, position: int) -> None:
        self._data = data
        self.position = position

    def take(self, layout: str) -> tuple[int, ...]:
        taken = struct.unpack_from(f"<{layout}", self._data, self.position)
        self.position += struct.calcsize(f"<{layout}")
        return taken

    def shape(self) -> tuple[int, ...]:
        (dimensions,) = self.take("I")
        if dimensions > _MAX_DIMENSIONS:
            raise Unreadable("is damaged or incomplete")
        return self.take(f"{dimensions}Q")

    def text(self) -> str:
        (size,) = self.take("Q")
        text = self._data[self.position : self.position + size].decode()
        self.position += size
        return text

    def value(self, kind: int) -> object:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self._skipped(*self.take("IQ"))
        return self.take(_layout(kind))[0]

    def _skipped(self, kind: int, length: int) -> int:
        if kind == _STRING:
            for _ in range(length):
                (size,) = self.take("Q")
                self.position += size
        else:
            self.position += length * struct.calcsize(f"<{_layout(kind)}")
        return length


def _layout(kind: int) -> str:
    if kind not in _SCALARS:
        raise Unreadable("is damaged or incomplete")
    return _SCALARS[kind]
