"""`hyperbridge router train | eval`: what texts ask for, learned from examples and measured. They need no gateway."""

import argparse
import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.config.faults import ConfigError


def add(commands: Any) -> None:
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
        "--out", type=Path, default=Path("router.npz"), metavar="FILE", help="write it here (router.npz)"
    )
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("eval", help="measure a classifier on texts whose label is known")
    evaluate.add_argument("file", type=Path, help="a file or folder of examples, of the same form")
    evaluate.add_argument(
        "--model", type=Path, metavar="FILE", help="what `train` wrote; the shipped one without"
    )
    evaluate.set_defaults(run=_evaluate)


class _Refused(Exception):
    """What was asked cannot be done; the message says why."""


def _train(options: argparse.Namespace) -> None:
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # the matrices are small: threads would wait for each other
    from app.routing import examples, model_file, training  # noqa: PLC0415 - numpy takes 0.1 s

    with _ending():
        found = _examples(options.paths or [examples.SHIPPED])
        labels = {each.label for each in found}
        if len(labels) < 2:
            raise _Refused(f"there must be at least 2 labels to tell apart; the examples have {len(labels)}")
        model, report = training.train(found, lambda line: print(line, file=sys.stderr, flush=True))
        try:
            model_file.write(model, options.out)
        except OSError as error:
            raise _Refused(f"cannot write {options.out}: {error.strerror}") from None
    print(f"accuracy     {report.accuracy:.1%}  by cross-validation, as everything here")
    print(f"macro-F1     {report.macro_f1:.3f}")
    print(f"ECE          {report.calibration_error:.3f}")
    print(
        f"threshold    {model.threshold:.2f}  tells {report.coverage:.1%} of the labels, {report.precision:.1%} right"
    )
    print(f"trained in   {report.seconds:.1f} s")
    print(
        f"written      {options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(model.buckets)} n-grams"
    )


def _evaluate(options: argparse.Namespace) -> None:
    from app.routing import classifier, evaluation  # noqa: PLC0415

    with _ending():
        found = _examples([options.file])
        if not found:
            raise _Refused(f"{options.file} holds no example")
        try:
            model = classifier.shipped() if options.model is None else classifier.load(options.model)
        except ValueError as error:
            raise _Refused(str(error)) from None
        unknown = sorted({each.label for each in found} - set(model.labels))
        if unknown:
            raise _Refused(
                f"the classifier does not know {', '.join(unknown)}; it knows {', '.join(model.labels)}"
            )
        began = time.perf_counter()
        evaluated = evaluation.evaluate(model, found)
        seconds = time.perf_counter() - began
    print(evaluation.told(evaluated, seconds))


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
