"""The file of a trained classifier.

Header: format and version, labels, families and n-gram orders, bits of a bucket's number,
temperature, threshold, the rarity of an n-gram that no example had, and the SHA-256 of the examples. Arrays: `buckets`
(uint32, rising), for each of them a row of `weights` (float16, one for each label) and its `rarity` (float32); `bias`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.routing import array_file
from app.routing.ngrams import BITS, FAMILIES, ORDERS

FORMAT = "hyperbridge-router"
VERSION = 1
_ARRAYS: Mapping[str, tuple[str, int]] = {
    "buckets": ("uint32", 1),
    "weights": ("float16", 2),
    "rarity": ("float32", 1),
    "bias": ("float32", 1),
}
"""Each array's type, and how many dimensions it has."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What was learned. `weights` has a row for each bucket and a column for each label."""

    labels: tuple[str, ...]
    buckets: NDArray[np.uint32]
    weights: NDArray[np.float16]
    rarity: NDArray[np.float32]
    bias: NDArray[np.float32]
    unseen: float
    temperature: float
    threshold: float
    examples_sha256: str


def write(model: Model, path: Path) -> None:
    """Overwrites what is there."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "labels": model.labels,
        "families": FAMILIES,
        "orders": ORDERS,
        "bits": BITS,
        "unseen": model.unseen,
        "temperature": model.temperature,
        "threshold": model.threshold,
        "examples_sha256": model.examples_sha256,
    }
    array_file.write(path, header, {name: getattr(model, name) for name in _ARRAYS})


def read(path: Path) -> Model:
    """Raises ValueError, which says what is wrong with the file."""
    return array_file.read(path, _ARRAYS, _model)


def _model(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Model:
    if header["format"] != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    made = (header["version"], header["families"], header["orders"], header["bits"])
    if made != (VERSION, list(FAMILIES), list(ORDERS), BITS):
        raise ValueError("it was made by another version; train it again")
    model = Model(
        labels=tuple(map(str, header["labels"])),
        **arrays,
        unseen=float(header["unseen"]),
        temperature=float(header["temperature"]),
        threshold=float(header["threshold"]),
        examples_sha256=str(header["examples_sha256"]),
    )
    _check(model)
    return model


def _check(model: Model) -> None:
    rows, labels = len(model.buckets), len(model.labels)
    if (
        model.weights.shape != (rows, labels)
        or model.rarity.shape != (rows,)
        or model.bias.shape != (labels,)
        or labels < 2
    ):
        raise ValueError("its arrays do not fit together")
    if rows and int(model.buckets.max()) >= 2**BITS:
        raise ValueError("a bucket's number is too large")
    numbers = (model.weights, model.rarity, model.bias, [model.unseen, model.temperature, model.threshold])
    if not all(np.isfinite(each).all() for each in numbers):
        raise ValueError("it holds numbers that are not finite")
    if model.temperature <= 0 or model.unseen <= 0 or (rows and model.rarity.min() <= 0):
        raise ValueError("temperature and rarity must be above zero")
