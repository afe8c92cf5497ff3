"""Training on the vectors that an encoder makes of the examples, by `hyperbridge router train --encoder`. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.routing.encoder import Head, unit
from app.routing.examples import Example
from app.routing.learning import BATCH, SEED, Report, Tell, Weights, descend, hot, learn


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """A few texts, which use all dimensions."""

    matrix: NDArray[np.float32]
    wanted: NDArray[np.float32]

    def dense(self) -> tuple[slice, NDArray[np.float32], NDArray[np.float32]]:
        return slice(None), self.matrix, self.wanted


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    """The examples as vectors of length one. A number of theirs is small, so that weights must become large."""

    vectors: NDArray[np.float32]
    rates: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)

    def learned(self, truth: NDArray[np.intp], rate: float) -> Weights:
        return _fit(self.vectors, truth, int(truth.max()) + 1, rate)

    def foretold(self, truth: NDArray[np.intp], held: NDArray[np.bool_], rate: float) -> NDArray[np.float64]:
        weights = _fit(self.vectors[~held], truth[~held], int(truth.max()) + 1, rate)
        scores = self.vectors[held] @ weights.rows + weights.bias
        return scores.astype(np.float64)


def train(
    examples: Sequence[Example], vectors: Sequence[Sequence[float]], model: str, tell: Tell
) -> tuple[Head, Report]:
    """What was learned from the examples' vectors, which this model made, one for each; and what may be expected of it."""
    found, report = learn(examples, _Texts(unit(vectors)), tell)
    weights = found.weights
    head = Head(
        found.labels,
        model,
        weights.rows,
        weights.bias,
        found.temperature,
        found.threshold,
        found.examples_sha256,
    )
    return head, report


def _fit(vectors: NDArray[np.float32], truth: NDArray[np.intp], labels: int, rate: float) -> Weights:
    chance = np.random.default_rng(SEED)
    batches = list(_batches(vectors, hot(truth, labels), chance))
    return descend(batches, (vectors.shape[1], labels), rate, chance)


def _batches(
    vectors: NDArray[np.float32], wanted: NDArray[np.float32], chance: np.random.Generator
) -> Iterator[_Batch]:
    order = chance.permutation(len(vectors))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield _Batch(vectors[chosen], wanted[chosen])
