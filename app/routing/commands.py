"""`hyperbridge router train | eval`: what texts ask for, learned from examples and measured. They need no gateway."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from app import config
from app.config.faults import ConfigError

Tell: TypeAlias = Callable[[str], None]
Embed: TypeAlias = Callable[
    [config.Config, str, int | None, Sequence[str], Tell], tuple[str, Sequence[Sequence[float]]]
]
"""Asks the encoder of this name for vectors of so many dimensions, of these texts: its model's name, and the vectors.

Raises ValueError.
"""


@dataclass(frozen=True, slots=True)
class Means:
    """What the commands need where an encoder is named."""

    add_config: Callable[[argparse.ArgumentParser], None]
    load: Callable[[Path], config.Config]
    embed: Embed


def add(commands: Any, means: Means) -> None:
    """Put the commands under `hyperbridge router`."""
    train = commands.add_parser("train", help="make a classifier from example texts")
    train.add_argument(
        "paths",
        type=Path,
        nargs="*",
        metavar="FOLDER",
        help="folders or files (.yaml, .jsonl, .csv) of examples; the shipped ones without",
    )
    train.add_argument(
        "--out", type=Path, metavar="FILE", help="write it here (router.npz; encoder.npz with --encoder)"
    )
    train.add_argument(
        "--encoder",
        metavar="NAME",
        help="learn from the vectors of this model: a name of `models`, or upstream/model",
    )
    train.add_argument(
        "--dimensions", type=int, metavar="N", help="ask the encoder for vectors of so many dimensions"
    )
    means.add_config(train)
    train.set_defaults(run=lambda options: _train(options, means))

    evaluate = commands.add_parser("eval", help="measure a classifier on texts whose label is known")
    evaluate.add_argument("file", type=Path, help="a file or folder of examples, of the same form")
    evaluate.add_argument(
        "--model", type=Path, metavar="FILE", help="what `train` wrote; the shipped one without"
    )
    evaluate.add_argument(
        "--encoder", action="store_true", help="with the configuration's `router.encoder` beside it"
    )
    means.add_config(evaluate)
    evaluate.set_defaults(run=lambda options: _evaluate(options, means))


class _Refused(Exception):
    """What was asked cannot be done; the message says why."""


def _train(options: argparse.Namespace, means: Means) -> None:
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # the matrices are small: threads would wait for each other
    from app.routing import examples  # noqa: PLC0415 - numpy takes 0.1 s

    with _ending():
        if options.dimensions is not None and options.encoder is None:
            raise _Refused("--dimensions are those of an encoder's vectors: name one by --encoder")
        found = _examples(options.paths or [examples.SHIPPED])
        labels = {each.label for each in found}
        if len(labels) < 2:
            raise _Refused(f"there must be at least 2 labels to tell apart; the examples have {len(labels)}")
        out = options.out or Path("router.npz" if options.encoder is None else "encoder.npz")
        try:
            lines = _ngrams(found, out) if options.encoder is None else _vectors(found, out, options, means)
        except OSError as error:
            raise _Refused(f"cannot write {out}: {error.strerror}") from None
    for line in lines:
        print(line)


def _ngrams(found: Sequence[Any], out: Path) -> Sequence[str]:
    """Train on the n-grams of these examples, and write it."""
    from app.routing import model_file, training  # noqa: PLC0415

    model, report = training.train(found, _say)
    model_file.write(model, out)
    return [*_reported(report, model.threshold), _written(out, f"{len(model.buckets)} n-grams")]


def _vectors(found: Sequence[Any], out: Path, options: argparse.Namespace, means: Means) -> Sequence[str]:
    """Train on what the encoder makes of these examples, and write it."""
    from app.routing import encoder, encoder_training  # noqa: PLC0415

    texts = [encoder.excerpt(each.text) for each in found]
    settings = means.load(options.config)
    name, vectors = _embedded(means, settings, options.encoder, options.dimensions, texts)
    head, report = encoder_training.train(found, vectors, name, _say)
    encoder.write(head, out)
    return [*_reported(report, head.threshold), _written(out, f"{head.dimensions} dimensions of {name}")]


def _embedded(
    means: Means, settings: config.Config, name: str, dimensions: int | None, texts: Sequence[str]
) -> tuple[str, Sequence[Sequence[float]]]:
    try:
        return means.embed(settings, name, dimensions, texts, _say)
    except ValueError as error:
        raise _Refused(str(error)) from None


def _reported(report: Any, threshold: float) -> Sequence[str]:
    return [
        f"accuracy     {report.accuracy:.1%}  by cross-validation, as everything here",
        f"macro-F1     {report.macro_f1:.3f}",
        f"ECE          {report.calibration_error:.3f}",
        f"threshold    {threshold:.2f}  tells {report.coverage:.1%} of the labels, {report.precision:.1%} right",
        f"trained in   {report.seconds:.1f} s",
    ]


def _written(out: Path, what: str) -> str:
    return f"written      {out}: {out.stat().st_size / 1e6:.2f} MB, {what}"


def _evaluate(options: argparse.Namespace, means: Means) -> None:
    from app.routing import classifier, evaluation  # noqa: PLC0415

    with _ending():
        found = _examples([options.file])
        if not found:
            raise _Refused(f"{options.file} holds no example")
        try:
            model = classifier.shipped() if options.model is None else classifier.load(options.model)
        except ValueError as error:
            raise _Refused(str(error)) from None
        _know("classifier", model.labels, found)
        began = time.perf_counter()
        evaluated = evaluation.evaluate(model, found)
        seconds = time.perf_counter() - began
        if options.encoder:
            encoded = _encoder_evaluated(found, means.load(options.config), means)
            if encoded.labels != evaluated.labels:
                raise _Refused(
                    "the classifier and the encoder know other labels: train both on the same examples"
                )
            both = evaluation.in_turn(evaluated, encoded)
            print(evaluation.compared({"n-grams": evaluated, "encoder": encoded, "both": both}))
            return
    print(evaluation.told(evaluated, seconds))


def _encoder_evaluated(found: Sequence[Any], settings: config.Config, means: Means) -> Any:
    from app.routing import encoder, evaluation  # noqa: PLC0415

    wanted = settings.router.encoder
    if wanted is None:
        raise _Refused("the configuration has no router.encoder: name its model and its file there")
    try:
        head = encoder.load(wanted.file)
    except ValueError as error:
        raise _Refused(str(error)) from None
    _know("encoder", head.labels, found)
    texts = [encoder.excerpt(each.text) for each in found]
    name, vectors = _embedded(means, settings, wanted.model, wanted.dimensions, texts)
    if (name, len(vectors[0])) != (head.model, head.dimensions):
        raise _Refused(
            f"{wanted.file} was trained with vectors of {head.dimensions} dimensions of {head.model!r}, "
            f"and {name!r} makes some of {len(vectors[0])}"
        )
    return evaluation.evaluate_encoder(head, vectors, found)


def _know(what: str, labels: Sequence[str], found: Sequence[Any]) -> None:
    unknown = sorted({each.label for each in found} - set(labels))
    if unknown:
        raise _Refused(f"the {what} does not know {', '.join(unknown)}; it knows {', '.join(labels)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _examples(paths: Sequence[Path]) -> Sequence[Any]:
    from app.routing import examples  # noqa: PLC0415

    found = examples.read(paths)
    for doubt in examples.doubts(found):
        print(f"warning: {doubt}", file=sys.stderr)
    return found


@contextmanager
def _ending() -> Generator[None]:
    """Ends the command with what was wrong."""
    try:
        yield
    except (ConfigError, _Refused) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
