"""Which label a text most likely has, by the vector that an encoder makes of it: a linear model. Pure, but for `load` and
`write`.

A label's score is its bias, plus the product of the vector, made of length one, with what was learned for the label.
Probabilities are the softmax of the scores divided by a temperature.

The file's header: format and version, labels, the encoder's name at its upstream, the dimensions of its vectors,
temperature, threshold, and the SHA-256 of the examples. Arrays: `weights`, a row for each dimension and a column for each
label, and `bias`, both float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.routing import array_file
from app.routing.classifier import NONE, Classified, softmax
from app.routing.ngrams import HEAD, TAIL

FORMAT = "hyperbridge-encoder"
VERSION = 1
_KINDS = {"weights": ("float32", 2), "bias": ("float32", 1)}
_LEAST_LENGTH = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What was learned for the vectors of one encoder, `model` at its upstream."""

    labels: tuple[str, ...]
    model: str
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    threshold: float
    examples_sha256: str

    @property
    def dimensions(self) -> int:
        return len(self.weights)

    def excerpt(self, text: str) -> str:
        """What to make a vector of."""
        return excerpt(text)

    def classify(self, vector: Sequence[float]) -> Classified:
        """What a text with this vector is; it must have as many `dimensions`."""
        likely = self.probabilities([vector])[0].tolist()
        best = max(range(len(likely)), key=likely.__getitem__)
        sure = self.labels[best] != NONE and likely[best] >= self.threshold
        return Classified(self.labels[best] if sure else None, dict(zip(self.labels, likely, strict=True)))

    def probabilities(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Of each vector a row, in the order of `labels`."""
        # no BLAS, whose threads wait for each other on a busy machine
        scores = np.einsum("td,dl->tl", unit(vectors), self.weights) + self.bias
        return softmax(scores.astype(np.float64) / self.temperature)


def unit(vectors: ArrayLike) -> NDArray[np.float32]:
    """The same with length one, a row each; where there is no length, nothing."""
    found = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    made: NDArray[np.float32] = found / np.maximum(lengths, _LEAST_LENGTH)
    return made


def excerpt(text: str) -> str:
    """What is read of a text, as much as the n-grams read: encoders have short windows, and some refuse what is longer.
    "" where there is nothing but space.
    """
    whole = text.strip()
    return whole if len(whole) <= HEAD + TAIL else f"{whole[:HEAD]}\n{whole[-TAIL:]}"


def write(head: Head, path: Path) -> None:
    """Overwrites what is there."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "labels": head.labels,
        "model": head.model,
        "dimensions": head.dimensions,
        "temperature": head.temperature,
        "threshold": head.threshold,
        "examples_sha256": head.examples_sha256,
    }
    array_file.write(path, header, {"weights": head.weights, "bias": head.bias})


def load(path: Path) -> Head:
    """What `hyperbridge router train --encoder` made. Raises ValueError where the file is none of its."""
    return array_file.read(path, _KINDS, _head)


def _head(header: array_file.Header, arrays: array_file.Arrays) -> Head:
    if (header["format"], header["version"]) != (FORMAT, VERSION):
        raise ValueError(f"its format is not {FORMAT!r}, version {VERSION}")
    head = Head(
        labels=tuple(map(str, header["labels"])),
        model=str(header["model"]),
        weights=arrays["weights"],
        bias=arrays["bias"],
        temperature=float(header["temperature"]),
        threshold=float(header["threshold"]),
        examples_sha256=str(header["examples_sha256"]),
    )
    _check(head, int(header["dimensions"]))
    return head


def _check(head: Head, dimensions: int) -> None:
    labels = len(head.labels)
    if head.weights.shape != (dimensions, labels) or head.bias.shape != (labels,) or labels < 2:
        raise ValueError("its arrays do not fit together")
    numbers = (head.weights, head.bias, [head.temperature, head.threshold])
    if not all(np.isfinite(each).all() for each in numbers) or head.temperature <= 0:
        raise ValueError("it holds numbers that cannot be")
