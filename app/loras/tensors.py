"""Tensors of a safetensors file, without torch: the head says what is there, the rest is numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from app.loras.unusable import Unusable

_SIZE = 8
_KINDS: Mapping[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "U8": np.uint8,
}

Array = npt.NDArray[Any]


class Tensor(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def head(path: Path) -> Mapping[str, Tensor]:
    """What tensors a file has. Raises Unusable where it is none, or cut off."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(_SIZE), "little")
            whole: dict[str, Any] = msgspec.json.decode(file.read(min(size, path.stat().st_size)))
    except (OSError, msgspec.DecodeError) as fault:
        raise Unusable(f"{path} is no file of safetensors, or is cut off: {fault}") from None
    whole.pop("__metadata__", None)
    try:
        found = msgspec.convert(whole, dict[str, Tensor])
    except msgspec.ValidationError as fault:
        raise Unusable(f"{path} is no file of safetensors: {fault}") from None
    end = max((tensor.data_offsets[1] for tensor in found.values()), default=0)
    if _SIZE + size + end > path.stat().st_size:
        raise Unusable(
            f"{path} is cut off: {_SIZE + size + end:,} bytes are told, and {path.stat().st_size:,} are there"
        )
    return found


def tensors(path: Path) -> Mapping[str, Array]:
    """All of them; bfloat16 as float32."""
    found = head(path)
    with path.open("rb") as file:
        begin = _SIZE + int.from_bytes(file.read(_SIZE), "little")
    data = np.memmap(path, np.uint8, "r")
    return {
        name: _array(data[begin + tensor.data_offsets[0] : begin + tensor.data_offsets[1]], tensor, path)
        for name, tensor in found.items()
    }


def _array(data: Array, tensor: Tensor, path: Path) -> Array:
    if tensor.dtype == "BF16":
        halves = data.view(np.uint16).astype(np.uint32) << np.uint32(16)
        return halves.view(np.float32).reshape(tensor.shape)
    if tensor.dtype not in _KINDS:
        raise Unusable(f"{path} has numbers of the kind {tensor.dtype}, which are not read here")
    found: Array = data.view(_KINDS[tensor.dtype]).reshape(tensor.shape)
    return found
