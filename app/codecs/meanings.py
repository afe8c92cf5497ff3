"""The folder of a table of vectors, as `make vectors` fills it.

    vectors.safetensors     one tensor of float16, a row for each token      tokenizer.json

The table is mapped into memory, so all workers of a machine share it.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from scenes.meaning import Meaning

if TYPE_CHECKING:
    from scenes.meaning import Table

MOST_BYTES = 1 << 30
"""Of a table."""
MOST_HEADER_BYTES = 1 << 20
MOST_TOKENIZER_BYTES = 64 << 20
_SIZE_BYTES = 8

_Stamp: TypeAlias = tuple[int, int, int]


class Unmeaning(ValueError):
    """A folder holds no table of vectors; the message names the file and says why."""


class _Tensor(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def opened(folder: Path) -> Meaning:
    """The same one again as long as the files are as they were. Raises Unmeaning."""
    weights, tokenizer = folder / "vectors.safetensors", folder / "tokenizer.json"
    try:
        return _opened(folder, *map(_stamp, (weights, tokenizer)))
    except OSError as fault:
        raise Unmeaning(
            f"{fault.filename} cannot be read: {fault.strerror}; `make vectors` fetches it"
        ) from None
    except ValueError as fault:
        raise Unmeaning(f"{folder}: {fault}") from None


def _stamp(file: Path) -> _Stamp:
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


@lru_cache(2)
def _opened(folder: Path, *_stamps: _Stamp) -> Meaning:
    weights, tokenizer = folder / "vectors.safetensors", folder / "tokenizer.json"
    data = _data(tokenizer)
    return Meaning.of(_name(weights, data), data, _table(weights))


def _data(file: Path) -> bytes:
    with file.open("rb") as opened_file:
        data = opened_file.read(MOST_TOKENIZER_BYTES + 1)
    if len(data) > MOST_TOKENIZER_BYTES:
        raise ValueError(f"{file.name} is larger than {MOST_TOKENIZER_BYTES} bytes")
    return data


def _table(file: Path) -> "Table":
    """As safetensors says: the size of a header, the header in JSON, the numbers."""
    import numpy as np  # noqa: PLC0415 - only who configures vectors waits for it

    with file.open("rb") as opened_file:
        size = int.from_bytes(opened_file.read(_SIZE_BYTES), "little")
        if not 0 < size <= MOST_HEADER_BYTES:
            raise ValueError(f"{file.name} is no file of safetensors")
        header = opened_file.read(size)
    tensor = _tensor(file, header)
    begin = _SIZE_BYTES + size + tensor.data_offsets[0]
    table: Table = np.memmap(file, np.float16, "r", begin, tensor.shape)
    return table


def _tensor(file: Path, header: bytes) -> _Tensor:
    try:
        named = msgspec.json.decode(header, type=Mapping[str, msgspec.Raw])
        tensors = [
            msgspec.json.decode(raw, type=_Tensor) for name, raw in named.items() if name != "__metadata__"
        ]
    except msgspec.DecodeError as fault:
        raise ValueError(f"{file.name} is no file of safetensors: {fault}") from None
    if len(tensors) != 1 or tensors[0].dtype != "F16" or len(tensors[0].shape) != 2:
        raise ValueError(f"{file.name} must hold one tensor, of F16 in two dimensions")
    rows, numbers = tensors[0].shape
    begin, end = tensors[0].data_offsets
    whole = _SIZE_BYTES + len(header) + end
    if end - begin != 2 * rows * numbers or not 0 < whole <= min(MOST_BYTES, file.stat().st_size):
        raise ValueError(f"{file.name} is truncated, or says another size than it has")
    return tensors[0]


def _name(weights: Path, tokenizer: bytes) -> str:
    """What vectors by this table are told by: two tables are never taken for one."""
    digest = sha256(tokenizer)
    with weights.open("rb") as opened_file:
        for piece in iter(lambda: opened_file.read(1 << 20), b""):
            digest.update(piece)
    return f"static-{digest.hexdigest()[:12]}"
