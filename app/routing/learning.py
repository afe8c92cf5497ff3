"""How labels are learned from texts, whatever a text is made of. Pure: the same examples make the same weights.

Multinomial logistic regression by AdaGrad (Duchi, Hazan and Singer, 2011) in small batches. It is stopped after a few
rounds, which does what an L2 penalty does: how much it may learn until then, its rate, is chosen on a part of the
examples that is held back.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.routing.classifier import NONE, softmax
from app.routing.examples import Example
from app.routing.measures import accuracy, calibration_error, macro_f1

SEED = 5
FOLDS = 5
MANY, FOLDS_OF_MANY = 5000, 3
"""Where there are so many examples, fewer parts will do."""
ROUNDS = 10
BATCH = 32
WANTED = 0.95
"""Of the texts whose label is told it should be right: the threshold is chosen for that."""
_TEMPERATURES: Sequence[float] = np.geomspace(0.05, 5.0, 120).tolist()
_THRESHOLDS = tuple(each / 100 for each in range(50, 100))
"""A label that is less likely than all others together is not told."""

Tell: TypeAlias = Callable[[str], None]
Rows: TypeAlias = NDArray[np.int32] | slice
"""Which rows of the weights a batch uses."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A row for each thing that a text may have, a column for each label."""

    rows: NDArray[np.float32]
    bias: NDArray[np.float32]


class Batch(Protocol):
    """A few texts."""

    def dense(self) -> tuple[Rows, NDArray[np.float32], NDArray[np.float32]]:
        """The rows that they use; of each text its values there, and 1 at its label."""


class Material(Protocol):
    """The texts of all examples, in their order."""

    @property
    def rates(self) -> Sequence[float]:
        """Those among which one is chosen."""

    def learned(self, truth: NDArray[np.intp], rate: float) -> Weights:
        """From all of them."""

    def foretold(self, truth: NDArray[np.intp], held: NDArray[np.bool_], rate: float) -> NDArray[np.float64]:
        """The scores of those held back, by what was learned from the others."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured by cross-validation: every example is judged by a model that has not seen it.

    `coverage` is the share of examples whose label is told, `precision` how many of those are right.
    """

    accuracy: float
    macro_f1: float
    calibration_error: float
    coverage: float
    precision: float
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """The labels, the weights for them, and how scores become probabilities that are sure enough to be told."""

    labels: tuple[str, ...]
    weights: Weights
    temperature: float
    threshold: float
    examples_sha256: str


def learn(examples: Sequence[Example], material: Material, tell: Tell) -> tuple[Learned, Report]:
    """What these examples teach, and what may be expected of it; of each label there must be two or more."""
    began = time.perf_counter()
    places = _places(examples)
    truth = np.array([places[example.label] for example in examples])
    tell(f"{len(examples)} examples of {len(places)} labels")
    parts = _parts(truth)
    rate = _rate(material, truth, parts, tell)
    scores = _judged(material, truth, parts, rate, tell)
    temperature = _temperature(truth, scores)
    likely = softmax(scores / temperature)
    none = places.get(NONE, -1)
    threshold = _threshold(truth, likely, none)
    weights = material.learned(truth, rate)
    tell("trained on all of them")
    coverage, precision = _told(truth, likely, none, threshold)
    report = Report(
        accuracy(truth, likely),
        macro_f1(truth, likely),
        calibration_error(truth, likely),
        coverage,
        precision,
        rate,
        time.perf_counter() - began,
    )
    return Learned(tuple(places), weights, temperature, threshold, _digest(examples)), report


def descend(
    batches: Sequence[Batch], shape: tuple[int, int], rate: float, chance: np.random.Generator
) -> Weights:
    """Logistic regression, for so many rows and labels; the rate falls to zero while it learns."""
    rows = np.zeros(shape, dtype=np.float32)
    bias = np.zeros(shape[1], dtype=np.float32)
    moved = np.full(len(rows), 1e-8, dtype=np.float32)
    steps = ROUNDS * len(batches)
    for step in range(steps):
        if step % len(batches) == 0:
            order = chance.permutation(len(batches))
        used, matrix, wanted = batches[order[step % len(batches)]].dense()
        off = softmax(matrix @ rows[used] + bias) - wanted
        slope = matrix.T @ off
        moved[used] += (slope * slope).mean(axis=1)
        pace = rate * (1 - step / steps)
        rows[used] -= pace * slope / np.sqrt(moved[used])[:, None]
        bias -= pace * off.mean(axis=0)
    return Weights(rows, bias)


def hot(truth: NDArray[np.intp], labels: int) -> NDArray[np.float32]:
    """A row for each text, with 1 at its label."""
    wanted = np.zeros((len(truth), labels), dtype=np.float32)
    wanted[np.arange(len(truth)), truth] = 1
    return wanted


def _places(examples: Sequence[Example]) -> Mapping[str, int]:
    return {label: place for place, label in enumerate(sorted({example.label for example in examples}))}


def _parts(truth: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which part each example is of; every label is spread evenly over them."""
    count = FOLDS if len(truth) <= MANY else FOLDS_OF_MANY
    order = np.random.default_rng(SEED).permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    parts = np.empty(len(truth), dtype=np.intp)
    parts[order] = np.arange(len(truth)) % count
    return parts


def _rate(material: Material, truth: NDArray[np.intp], parts: NDArray[np.intp], tell: Tell) -> float:
    """The rate with which the first part is foretold best."""
    losses = {}
    for rate in material.rates:
        scores = material.foretold(truth, parts == 0, rate)
        here = truth[parts == 0]
        losses[rate] = _loss(here, scores / _temperature(here, scores))
        right = accuracy(here, scores)
        tell(f"rate {rate:g}: {right:.1%} of the first part right, log-loss {losses[rate]:.3f}")
    return min(losses, key=lambda rate: losses[rate])


def _judged(
    material: Material, truth: NDArray[np.intp], parts: NDArray[np.intp], rate: float, tell: Tell
) -> NDArray[np.float64]:
    """Scores of every example, by what was learned from the other parts."""
    found: NDArray[np.float64] = np.empty((len(truth), int(truth.max()) + 1))
    count = int(parts.max()) + 1
    for part in range(count):
        found[parts == part] = material.foretold(truth, parts == part, rate)
        tell(f"part {part + 1} of {count}: {accuracy(truth[parts == part], found[parts == part]):.1%} right")
    return found


def _loss(truth: NDArray[np.intp], scores: NDArray[np.float64]) -> float:
    """The mean of minus the logarithm of the right label's probability."""
    likely = softmax(scores)[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(likely, 1e-12)).mean())


def _temperature(truth: NDArray[np.intp], scores: NDArray[np.float64]) -> float:
    """The one with which the scores foretell best (Guo, Pleiss, Sun and Weinberger, 2017)."""
    return min(_TEMPERATURES, key=lambda each: _loss(truth, scores / each))


def _threshold(truth: NDArray[np.intp], likely: NDArray[np.float64], none: int) -> float:
    """The lowest one with which enough of what is told is right; else the highest one that tells half of the labels."""
    highest = _THRESHOLDS[0]
    for threshold in _THRESHOLDS:
        coverage, precision = _told(truth, likely, none, threshold)
        if precision >= WANTED:
            return threshold
        if coverage >= 0.5:
            highest = threshold
    return highest


def _told(
    truth: NDArray[np.intp], likely: NDArray[np.float64], none: int, threshold: float
) -> tuple[float, float]:
    """Of how many texts with a label it is told, and how many of those told are right."""
    best = likely.argmax(axis=1)
    told = (best != none) & (likely.max(axis=1) >= threshold)
    coverage = float(told[truth != none].mean())
    return coverage, float((best == truth)[told].mean()) if told.any() else 0.0


def _digest(examples: Sequence[Example]) -> str:
    digest = sha256()
    for example in sorted(examples, key=lambda each: (each.label, each.text)):
        for part in (example.label, example.text):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()
