"""Training of the classifier, by `hyperbridge router train`: the features that app/routing/classifier.py describes, for
app/routing/learning.py. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.routing.classifier import FAMILY_WEIGHTS
from app.routing.examples import Example
from app.routing.learning import BATCH, SEED, Report, Tell, Weights, descend, hot, learn
from app.routing.model_file import Model
from app.routing.ngrams import BITS, grams

MOST_ROWS = 65_536
"""N-grams that are kept: those that occur in the most examples."""


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """What every text is made of, one n-gram after the other: whose, of which family, which bucket."""

    texts: NDArray[np.int32]
    families: NDArray[np.int8]
    buckets: NDArray[np.uint32]

    def of(self, chosen: NDArray[np.bool_]) -> "_Made":
        """The same of some texts, which are numbered anew."""
        numbers = np.cumsum(chosen, dtype=np.int32) - np.int32(1)
        kept = chosen[self.texts]
        return _Made(numbers[self.texts[kept]], self.families[kept], self.buckets[kept])


@dataclass(frozen=True, slots=True, eq=False)
class _Vectors:
    """Of text number i: rows[bounds[i]:bounds[i + 1]], of `height` rows, and the value of each."""

    height: int
    bounds: NDArray[np.intp]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]

    def __getitem__(self, text: int) -> slice:
        return slice(self.bounds[text], self.bounds[text + 1])

    def scores(self, weights: Weights) -> NDArray[np.float64]:
        found = np.empty((len(self.bounds) - 1, len(weights.bias)))
        for text in range(len(found)):
            here = self[text]
            found[text] = self.values[here] @ weights.rows[self.rows[here]] + weights.bias
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Space:
    """The n-grams that count, and how rare each is among `size` texts."""

    buckets: NDArray[np.uint32]
    rarity: NDArray[np.float32]
    unseen: float

    @classmethod
    def of(cls, made: _Made, size: int) -> "_Space":
        counts = np.bincount(made.buckets, minlength=2**BITS)
        known = np.flatnonzero(counts)
        if len(known) > MOST_ROWS:
            known = np.sort(known[np.argsort(-counts[known], kind="stable")[:MOST_ROWS]])
        rarity = np.log((1 + size) / (1 + counts[known])) + 1
        return cls(known.astype(np.uint32), rarity.astype(np.float32), float(np.log((1 + size) / 2) + 1))

    def vectors(self, made: _Made, size: int) -> _Vectors:
        table = np.full(2**BITS, len(self.buckets), dtype=np.int32)
        table[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        rows = table[made.buckets]
        rarity = np.append(self.rarity, np.float32(self.unseen))[rows]
        groups = made.texts * np.int32(len(FAMILY_WEIGHTS)) + made.families
        lengths = np.sqrt(np.bincount(groups, weights=rarity**2, minlength=size * len(FAMILY_WEIGHTS)))
        values = rarity * FAMILY_WEIGHTS[made.families] / lengths[groups]
        known = rows < len(self.buckets)
        bounds = np.searchsorted(made.texts[known], np.arange(size + 1))
        return _Vectors(len(self.buckets), bounds, rows[known], values[known].astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    """The examples as n-grams."""

    made: _Made
    rates: Sequence[float] = (0.05, 0.1, 0.2, 0.4)

    def learned(self, truth: NDArray[np.intp], rate: float) -> Weights:
        space = _Space.of(self.made, len(truth))
        return _fit(space.vectors(self.made, len(truth)), truth, int(truth.max()) + 1, rate)

    def foretold(self, truth: NDArray[np.intp], held: NDArray[np.bool_], rate: float) -> NDArray[np.float64]:
        others = self.made.of(~held)
        count = int((~held).sum())
        space = _Space.of(others, count)
        weights = _fit(space.vectors(others, count), truth[~held], int(truth.max()) + 1, rate)
        return space.vectors(self.made.of(held), int(held.sum())).scores(weights)


def train(examples: Sequence[Example], tell: Tell) -> tuple[Model, Report]:
    """A model of these examples, and what may be expected of it; of each label there must be two or more."""
    made = _made([example.text for example in examples])
    found, report = learn(examples, _Texts(made), tell)
    space = _Space.of(made, len(examples))
    model = Model(
        found.labels,
        space.buckets,
        found.weights.rows.astype(np.float16),
        space.rarity,
        found.weights.bias,
        space.unseen,
        found.temperature,
        found.threshold,
        found.examples_sha256,
    )
    return model, report


def _made(texts: Sequence[str]) -> _Made:
    keys = [grams(text).distinct() for text in texts]
    numbers = np.repeat(np.arange(len(keys), dtype=np.int32), [*map(len, keys)])
    joined = np.concatenate(keys)
    return _Made(numbers, (joined >> np.uint32(BITS)).astype(np.int8), joined & np.uint32(2**BITS - 1))


def _fit(vectors: _Vectors, truth: NDArray[np.intp], labels: int, rate: float) -> Weights:
    chance = np.random.default_rng(SEED)
    batches = list(_batches(vectors, truth, labels, chance))
    return descend(batches, (vectors.height, labels), rate, chance)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """A few texts: the rows that they use, and for each value its text, its place among those rows and itself."""

    used: NDArray[np.int32]
    texts: NDArray[np.intp]
    places: NDArray[np.intp]
    values: NDArray[np.float32]
    wanted: NDArray[np.float32]

    def dense(self) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
        matrix = np.zeros((len(self.wanted), len(self.used)), dtype=np.float32)
        matrix[self.texts, self.places] = self.values
        return self.used, matrix, self.wanted


def _batches(
    vectors: _Vectors, truth: NDArray[np.intp], labels: int, chance: np.random.Generator
) -> Iterator[_Batch]:
    order = chance.permutation(len(truth))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        here = [vectors[text] for text in chosen]
        used, places = np.unique(np.concatenate([vectors.rows[each] for each in here]), return_inverse=True)
        texts = np.repeat(np.arange(len(chosen)), [each.stop - each.start for each in here])
        values = np.concatenate([vectors.values[each] for each in here])
        yield _Batch(used, texts, places, values, hot(truth[chosen], labels))
