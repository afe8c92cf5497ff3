"""Training of the classifier, by `hyperbridge router train`. Pure: the same examples make the same model.

Multinomial logistic regression on the features that app/routing/classifier.py describes, by AdaGrad (Duchi, Hazan and
Singer, 2011) in small batches. It is stopped after a few rounds, which does what an L2 penalty does: how much it may
learn until then, its rate, is chosen on a part of the examples that is held back.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from app.routing.classifier import FAMILY_WEIGHTS, NONE, softmax
from app.routing.examples import Example
from app.routing.measures import accuracy, calibration_error, macro_f1
from app.routing.model_file import Model
from app.routing.ngrams import BITS, grams

SEED = 5
FOLDS = 5
MANY, FOLDS_OF_MANY = 5000, 3
"""Where there are so many examples, fewer parts will do."""
MOST_ROWS = 65_536
"""N-grams that are kept: those that occur in the most examples."""
RATES = (0.05, 0.1, 0.2, 0.4)
ROUNDS = 10
BATCH = 32
WANTED = 0.95
"""Of the texts whose label is told it should be right: the threshold is chosen for that."""
_TEMPERATURES: Sequence[float] = np.geomspace(0.05, 5.0, 120).tolist()
_THRESHOLDS = tuple(each / 100 for each in range(50, 100))
"""A label that is less likely than all others together is not told."""

Tell = Callable[[str], None]


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
    """Of text number i: rows[bounds[i]:bounds[i + 1]], and the value of each."""

    bounds: NDArray[np.intp]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]

    def __getitem__(self, text: int) -> slice:
        return slice(self.bounds[text], self.bounds[text + 1])


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
        return _Vectors(bounds, rows[known], values[known].astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    rows: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(self, vectors: _Vectors) -> NDArray[np.float64]:
        found = np.empty((len(vectors.bounds) - 1, len(self.bias)))
        for text in range(len(found)):
            here = vectors[text]
            found[text] = vectors.values[here] @ self.rows[vectors.rows[here]] + self.bias
        return found


def train(examples: Sequence[Example], tell: Tell) -> tuple[Model, Report]:
    """A model of these examples, and what may be expected of it; of each label there must be two or more."""
    began = time.perf_counter()
    labels = tuple(sorted({example.label for example in examples}))
    places = {label: place for place, label in enumerate(labels)}
    truth = np.array([places[example.label] for example in examples])
    made = _made([example.text for example in examples])
    parts = _parts(truth)
    tell(f"{len(examples)} examples of {len(labels)} labels")
    rate = _rate(made, truth, parts, tell)
    scores = _judged(made, truth, parts, rate, tell)
    temperature = _temperature(truth, scores)
    likely = softmax(scores / temperature)
    none = places.get(NONE, -1)
    threshold = _threshold(truth, likely, none)
    space = _Space.of(made, len(truth))
    weights = _fit(space, made, truth, rate)
    tell("trained on all of them")
    model = Model(
        labels,
        space.buckets,
        weights.rows.astype(np.float16),
        space.rarity,
        weights.bias,
        space.unseen,
        temperature,
        threshold,
        _digest(examples),
    )
    coverage, precision = _told(truth, likely, none, threshold)
    return model, Report(
        accuracy(truth, likely),
        macro_f1(truth, likely),
        calibration_error(truth, likely),
        coverage,
        precision,
        rate,
        time.perf_counter() - began,
    )


def _made(texts: Sequence[str]) -> _Made:
    keys = [grams(text).distinct() for text in texts]
    numbers = np.repeat(np.arange(len(keys), dtype=np.int32), [*map(len, keys)])
    joined = np.concatenate(keys)
    return _Made(numbers, (joined >> np.uint32(BITS)).astype(np.int8), joined & np.uint32(2**BITS - 1))


def _parts(truth: NDArray[np.intp]) -> NDArray[np.intp]:
    """Which part each example is of; every label is spread evenly over them."""
    count = FOLDS if len(truth) <= MANY else FOLDS_OF_MANY
    order = np.random.default_rng(SEED).permutation(len(truth))
    order = order[np.argsort(truth[order], kind="stable")]
    parts = np.empty(len(truth), dtype=np.intp)
    parts[order] = np.arange(len(truth)) % count
    return parts


def _rate(made: _Made, truth: NDArray[np.intp], parts: NDArray[np.intp], tell: Tell) -> float:
    """The rate with which the first part is foretold best."""
    losses = {}
    for rate in RATES:
        scores = _foretold(made, truth, parts == 0, rate)
        here = truth[parts == 0]
        losses[rate] = _loss(here, scores / _temperature(here, scores))
        right = accuracy(here, scores)
        tell(f"rate {rate:g}: {right:.1%} of the first part right, log-loss {losses[rate]:.3f}")
    return min(losses, key=lambda rate: losses[rate])


def _judged(
    made: _Made, truth: NDArray[np.intp], parts: NDArray[np.intp], rate: float, tell: Tell
) -> NDArray[np.float64]:
    """Scores of every example, by a model that was trained on the other parts."""
    found: NDArray[np.float64] = np.empty((len(truth), int(truth.max()) + 1))
    count = int(parts.max()) + 1
    for part in range(count):
        found[parts == part] = _foretold(made, truth, parts == part, rate)
        tell(f"part {part + 1} of {count}: {accuracy(truth[parts == part], found[parts == part]):.1%} right")
    return found


def _foretold(
    made: _Made, truth: NDArray[np.intp], held: NDArray[np.bool_], rate: float
) -> NDArray[np.float64]:
    others = made.of(~held)
    space = _Space.of(others, int((~held).sum()))
    weights = _fit(space, others, truth[~held], rate, int(truth.max()) + 1)
    return weights.scores(space.vectors(made.of(held), int(held.sum())))


def _fit(
    space: _Space, made: _Made, truth: NDArray[np.intp], rate: float, labels: int | None = None
) -> _Weights:
    """Logistic regression; the rate falls to zero while it learns."""
    count = int(truth.max()) + 1 if labels is None else labels
    rows = np.zeros((len(space.buckets), count), dtype=np.float32)
    bias = np.zeros(count, dtype=np.float32)
    moved = np.full(len(rows), 1e-8, dtype=np.float32)
    chance = np.random.default_rng(SEED)
    batches = list(_batches(space.vectors(made, len(truth)), truth, count, chance))
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
    return _Weights(rows, bias)


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
        wanted = np.zeros((len(chosen), labels), dtype=np.float32)
        wanted[np.arange(len(chosen)), truth[chosen]] = 1
        yield _Batch(used, texts, places, values, wanted)


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
