"""A file of arrays (numpy's npz, without pickle, which could run code when it is read) and a header in JSON, which is the
array `header` as UTF-8.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 256 * 1024 * 1024
"""Of what a file may hold unpacked."""

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Header: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


def write(path: Path, header: Header, arrays: Arrays) -> None:
    """Takes the place of what is there, whole: who reads meanwhile has the one file or the other."""
    text = json.dumps(header, ensure_ascii=False).encode()
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as stream:
            np.savez_compressed(
                stream, allow_pickle=False, header=np.frombuffer(text, dtype=np.uint8), **arrays
            )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path, kinds: Mapping[str, tuple[str, int]], made: Callable[[Header, Arrays], T]) -> T:
    """What is made of header and arrays; `kinds` are each array's type, and how many dimensions it has.

    Raises ValueError, which says what is wrong with the file; what `made` raises is taken as that.
    """
    try:
        arrays = _arrays(path, {"header": ("uint8", 1), **kinds})
        return made(json.loads(arrays.pop("header").tobytes()), arrays)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no classifier of `hyperbridge router train`: {error}") from None


def _arrays(path: Path, kinds: Mapping[str, tuple[str, int]]) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as packed:
        if sum(each.file_size for each in packed.infolist()) > MOST_BYTES:
            raise ValueError(f"it holds more than {MOST_BYTES} bytes")
    with np.load(path, allow_pickle=False) as opened:
        arrays = {name: opened[name] for name in kinds}
    for name, (kind, dimensions) in kinds.items():
        if arrays[name].dtype != kind or arrays[name].ndim != dimensions:
            raise ValueError(f"{name!r} is not of {kind} in {dimensions} dimensions")
    return arrays
