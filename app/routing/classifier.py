"""Which label a text most likely has, learned from examples: a linear model over hashed n-grams. Pure, but for `load`.

A text's score for a label is, added up over the families of n-grams, the mean weight of its n-grams: each n-gram counts
once, by how rare it is, and each family has length one (TF-IDF with binary counts and a Euclidean norm). Probabilities
are the softmax of the scores divided by a temperature. An n-gram that no example had counts in the length alone, so that
what is foreign to the examples has low scores.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.routing.model_file import Model, read
from app.routing.ngrams import BITS, Grams, grams

SHIPPED = Path(__file__).parents[1] / "data" / "routes.npz"
NONE = "none"
"""The label of examples that belong to no other: where it is the likeliest one, the classifier abstains."""
FAMILY_WEIGHTS = np.array([1.0, 0.5, 0.7, 1.0])
"""The length of each family's part of a text, in the order of `ngrams.FAMILIES`."""
FAMILY_STARTS = np.arange(len(FAMILY_WEIGHTS), dtype=np.uint32) << np.uint32(BITS)
_REASONS = 5
_LEAST_SQUARE = 1e-9
_BUCKET = np.uint32(2**BITS - 1)


@dataclass(frozen=True, slots=True)
class Classified:
    """Each label's probability, `none` among them; `label` is the likeliest one, None where that is not enough."""

    label: str | None
    probabilities: Mapping[str, float]


class Classifier:
    """A model made ready: a table leads from each bucket to its row, those without an example to the last one."""

    def __init__(self, model: Model) -> None:
        self.labels = model.labels
        self.threshold = model.threshold
        self.model = model
        rows = len(model.buckets)
        number = np.uint16 if rows < 2**16 else np.uint32
        self._row = np.full(2**BITS, rows, dtype=number)
        self._row[model.buckets] = np.arange(rows, dtype=number)
        rarity = np.append(model.rarity, model.unseen).astype(np.float32)
        weights = np.vstack([model.weights, np.zeros((1, len(model.labels)), dtype=np.float16)])
        self._weights = np.column_stack([weights * rarity[:, None], rarity**2])
        """Of each row: what it adds to each label's score, and to the square of the family's length."""
        self._bias: Sequence[float] = model.bias.tolist()

    def classify(self, text: str) -> Classified:
        """What the text is, of labels that were learned. Any text will do; 900 characters of it are read."""
        likely = self.probabilities(grams(text))
        best = max(range(len(likely)), key=likely.__getitem__)
        label = self.labels[best]
        sure = label != NONE and likely[best] >= self.threshold
        return Classified(label if sure else None, dict(zip(self.labels, likely, strict=True)))

    def probabilities(self, made: Grams) -> Sequence[float]:
        """In the order of `labels`."""
        scores = self.scores(made)
        highest = max(scores)
        raised = [math.exp((score - highest) / self.model.temperature) for score in scores]
        total = sum(raised)
        return [each / total for each in raised]

    def scores(self, made: Grams) -> Sequence[float]:
        """Before temperature and softmax, in the order of `labels`. Few labels are added up faster without numpy."""
        keys = made.distinct()
        starts = np.searchsorted(keys, FAMILY_STARTS)
        found = self._weights.take(self._row.take(keys & _BUCKET), axis=0)
        # no BLAS, whose threads wait for each other on a busy machine
        families = np.add.reduceat(found, np.minimum(starts, len(keys) - 1), axis=0).tolist()
        scores = self._bias
        for weight, begin, end, sums in zip(
            FAMILY_WEIGHTS.tolist(), starts.tolist(), [*starts[1:].tolist(), len(keys)], families, strict=True
        ):
            if begin < end:
                scale = weight / math.sqrt(max(sums.pop(), _LEAST_SQUARE))
                scores = [score + scale * added for score, added in zip(scores, sums, strict=True)]
        return scores

    def why(self, text: str, label: str) -> Sequence[str]:
        """What in the text spoke most for this label and against the others, the strongest first; at most five."""
        made = grams(text)
        place = self.labels.index(label)
        rows = self._weights[self._row[made.keys & _BUCKET]]
        families = made.keys >> np.uint32(BITS)
        squares = np.bincount(families, weights=rows[:, -1], minlength=len(FAMILY_WEIGHTS))
        scale = (FAMILY_WEIGHTS / np.sqrt(np.maximum(squares, _LEAST_SQUARE)))[families]
        spoke = (rows[:, place] - rows[:, :-1].mean(axis=1)) * scale
        spans = list(made.spans())
        found: list[str] = []
        for each in np.argsort(-spoke, kind="stable"):
            if spoke[each] <= 0 or len(found) == _REASONS:
                break
            span = spans[each].strip()
            if span and not any(span in other or other in span for other in found):
                found.append(span)
        return found


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of each row of scores."""
    raised: NDArray[np.float64] = np.exp(scores - scores.max(axis=1, keepdims=True))
    raised /= raised.sum(axis=1, keepdims=True)
    return raised


def load(path: Path) -> Classifier:
    """What `hyperbridge router train` made. Raises ValueError where the file is none of its, or cannot be read."""
    return Classifier(read(path))


@cache
def shipped() -> Classifier:
    """The one that knows the shipped modes, in English and in Russian."""
    return load(SHIPPED)
