"""How well a classifier does on texts whose label is known, and its report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.routing import measures
from app.routing.classifier import NONE, Classifier
from app.routing.encoder import Head
from app.routing.examples import Example
from app.routing.ngrams import grams

_WIDEST = 20
"""Labels that a confusion matrix has at most; of more, the pairs that are most often confused are listed."""
_PAIRS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The true label of each text as its place in `labels`, the probabilities, and which labels were told."""

    labels: Sequence[str]
    truth: NDArray[np.intp]
    likely: NDArray[np.float64]
    told: NDArray[np.bool_]


def evaluate(classifier: Classifier, examples: Sequence[Example]) -> Evaluated:
    """Every label must be one of the classifier's."""
    likely = np.stack([classifier.probabilities(grams(example.text)) for example in examples])
    return _evaluated(classifier, likely, examples)


def evaluate_encoder(
    head: Head, vectors: Sequence[Sequence[float]], examples: Sequence[Example]
) -> Evaluated:
    """By the vector of each example."""
    return _evaluated(head, head.probabilities(vectors), examples)


def in_turn(first: Evaluated, second: Evaluated) -> Evaluated:
    """By the first, and by the second where that one abstains; both must have the same labels."""
    return Evaluated(
        first.labels,
        first.truth,
        np.where(first.told[:, None], first.likely, second.likely),
        first.told | second.told,
    )


def _evaluated(
    judge: Classifier | Head, likely: NDArray[np.float64], examples: Sequence[Example]
) -> Evaluated:
    places = {label: place for place, label in enumerate(judge.labels)}
    truth = np.array([places[example.label] for example in examples])
    told = (likely.max(axis=1) >= judge.threshold) & (likely.argmax(axis=1) != places.get(NONE, -1))
    return Evaluated(judge.labels, truth, likely, told)


def told(found: Evaluated, seconds: float) -> str:
    """The report, for a person; `seconds` is how long the whole of it took."""
    return "\n".join([*_figures(found, seconds), "", *_calibration(found), "", *_confusion(found)])


def compared(found: Mapping[str, Evaluated]) -> str:
    """The figures of several side by side, for a person."""
    columns = [dict(_measured(each)) for each in found.values()]
    rows = ([name, *(column.get(name, ("-", ""))[0] for column in columns)] for name in columns[0])
    lines = [["", *found], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )


def _figures(found: Evaluated, seconds: float) -> Iterator[str]:
    count = len(found.truth)
    yield f"texts        {count}"
    for name, (figure, meaning) in _measured(found):
        yield f"{name:<13}{figure}  {meaning}".rstrip()
    yield f"a decision   {seconds / count * 1e6:.0f} us"


def _measured(found: Evaluated) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each measure's name, its figure, and what that says."""
    named = np.array([label != NONE for label in found.labels])[found.truth]
    right = found.likely.argmax(axis=1) == found.truth
    yield "accuracy", (f"{measures.accuracy(found.truth, found.likely):.1%}", "")
    yield "macro-F1", (f"{measures.macro_f1(found.truth, found.likely):.3f}", "")
    yield "ECE", (f"{measures.calibration_error(found.truth, found.likely):.3f}", "")
    if named.any():
        yield "coverage", (f"{found.told[named].mean():.1%}", "of the texts with a label are told one")
    if found.told.any():
        yield "when told", (f"{right[found.told].mean():.1%}", "right")
    if not named.all():
        yield "abstained", (f"{1 - found.told[~named].mean():.1%}", f"of the texts of {NONE!r}")


def _calibration(found: Evaluated) -> Iterator[str]:
    yield "probability  texts  in the mean  right"
    for place, each in enumerate(measures.bins(found.truth, found.likely)):
        if each.count:
            start, end = place / measures.BINS, (place + 1) / measures.BINS
            yield f"{start:.1f} to {end:.1f}   {each.count:5}  {each.confidence:11.3f}  {each.accuracy:5.3f}"


def _confusion(found: Evaluated) -> Iterator[str]:
    table = measures.confusion(found.truth, found.likely)
    if len(found.labels) > _WIDEST:
        wrong = np.where(np.eye(len(table), dtype=bool), 0, table)
        yield "most often confused"
        for place in np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]:
            row, column = np.unravel_index(place, table.shape)
            if wrong[row, column]:
                yield f"{wrong[row, column]:5}  {found.labels[row]} taken for {found.labels[column]}"
        return
    width = max(map(len, found.labels))
    yield " " * width + "".join(f"  {label[:5]:>5}" for label in found.labels) + "   taken for"
    for label, row in zip(found.labels, table.tolist(), strict=True):
        yield label.ljust(width) + "".join(f"  {count:5}" for count in row)
