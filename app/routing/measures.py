"""How good a classifier is: accuracy, macro-F1, calibration. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10
"""Of the calibration: probabilities from 0 to 0.1, from there to 0.2, and so on."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Texts whose likeliest label had about this probability: how many, how likely it was in the mean, how often right."""

    count: int
    confidence: float
    accuracy: float


def accuracy(truth: NDArray[np.intp], likely: NDArray[np.float64]) -> float:
    return float((likely.argmax(axis=1) == truth).mean())


def confusion(truth: NDArray[np.intp], likely: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many texts of each label (the row) were taken for each label (the column)."""
    found = np.zeros((likely.shape[1], likely.shape[1]), dtype=np.intp)
    np.add.at(found, (truth, likely.argmax(axis=1)), 1)
    return found


def macro_f1(truth: NDArray[np.intp], likely: NDArray[np.float64]) -> float:
    """The mean over the labels that occur of 2 * precision * recall / (precision + recall)."""
    table = confusion(truth, likely)
    named, taken = table.sum(axis=1), table.sum(axis=0)
    occurs = named > 0
    return float((2 * table.diagonal()[occurs] / (named + taken)[occurs]).mean())


def bins(truth: NDArray[np.intp], likely: NDArray[np.float64]) -> Iterator[Bin]:
    """Each range of probabilities in turn, also those without a text."""
    confidence, right = likely.max(axis=1), likely.argmax(axis=1) == truth
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    for place in range(BINS):
        here = places == place
        count = int(here.sum())
        yield Bin(count, *(float(each[here].mean()) if count else 0.0 for each in (confidence, right)))


def calibration_error(truth: NDArray[np.intp], likely: NDArray[np.float64]) -> float:
    """Expected calibration error: how far probability and share of right answers are apart, in the mean over texts."""
    return sum(each.count * abs(each.confidence - each.accuracy) for each in bins(truth, likely)) / len(truth)
