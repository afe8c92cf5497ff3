"""`hyperbridge scenes codebook`: a codebook from its first drafts to the next version, for who looks at its phrases."""

import argparse
import sys
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.config.codebooks import read

if TYPE_CHECKING:
    from scenes.codebook.book import Codebook, Entry
    from scenes.contracts import Counter

MOST_FILES = 10_000
MOST_BYTES = 50_000_000
"""Of all texts together."""


def add(actions: Any) -> None:
    """Put the commands under `hyperbridge scenes`."""
    codebook = actions.add_parser("codebook", help="make, look at and review codebooks")
    commands = codebook.add_subparsers(required=True, metavar="action")
    _add_build(commands)
    _add_review(commands)

    show = commands.add_parser("show", help="print the entries, and what their uses saved")
    show.add_argument("file", type=Path)
    _add_tokenizers(show)
    show.set_defaults(run=_show)

    diff = commands.add_parser("diff", help="print what another version says otherwise")
    diff.add_argument("before", type=Path, metavar="A")
    diff.add_argument("after", type=Path, metavar="B")
    diff.set_defaults(run=_diff)


def _add_build(commands: Any) -> None:
    build = commands.add_parser("build", help="find phrases that many texts share, as drafts")
    build.add_argument("texts", type=Path, nargs="+", metavar="TEXT", help="files or folders of texts")
    which = build.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", help="the new book's name: a-z, 0-9, - and _")
    which.add_argument(
        "--base", type=Path, metavar="FILE", help="make the next version of this book, with phrases added"
    )
    build.add_argument("--out", type=Path, required=True, metavar="FILE", help="write it here")
    _add_tokenizers(build)
    build.set_defaults(run=_build)


def _add_review(commands: Any) -> None:
    review = commands.add_parser("review", help="make the next version: drafts accepted, the others retired")
    review.add_argument("file", type=Path)
    which = review.add_mutually_exclusive_group(required=True)
    which.add_argument("--accept", nargs="+", metavar="CODE", default=[], help="these drafts become active")
    which.add_argument("--all", action="store_true", help="all drafts become active")
    review.add_argument(
        "--retire", nargs="+", metavar="CODE", default=[], help="these are only read any more"
    )
    review.add_argument("--out", type=Path, required=True, metavar="FILE", help="write it here")
    review.set_defaults(run=_review)


def _add_tokenizers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokenizers",
        type=Path,
        metavar="DIR",
        help="the folder of vocabularies; two rough counters without",
    )


class _Refused(Exception):
    """What was asked cannot be done; the message says why."""


def _build(options: argparse.Namespace) -> None:
    from scenes.codebook.book import build  # noqa: PLC0415 - numpy takes 0.1 s

    with _ending():
        texts = [*_texts(options.texts)]
        base = None if options.base is None else _read(options.base)
        found = build(texts, options.id if base is None else base.id)
        if not found.entries:
            raise _Refused(f"no phrase of six tokens and more stands in several of the {len(texts)} texts")
        book = found if base is None else _extended(base, found.entries)
        _write(book, options.out)
        _print(_table(book, _counters(options.tokenizers)))
        print(f"\nwritten to {options.out}: look at each phrase, then `hyperbridge scenes codebook review`")


def _extended(base: "Codebook", found: Sequence["Entry"]) -> "Codebook":
    """The book's next version, with those phrases that it does not have, under codes that are free."""
    from scenes.codebook.book import Entry  # noqa: PLC0415
    from scenes.codebook.codes import named  # noqa: PLC0415

    has = {entry.phrase for entry in base.entries}
    new = [entry for entry in found if entry.phrase not in has]
    if not new:
        raise _Refused(f"{base.id}@{base.version} has all phrases that are worth a code")
    codes = named([entry.phrase for entry in new], [entry.code for entry in base.entries])
    return base.extended(Entry(code, each.phrase, each.uses) for code, each in zip(codes, new, strict=True))


def _show(options: argparse.Namespace) -> None:
    with _ending():
        _print(_table(_read(options.file), _counters(options.tokenizers)))


def _review(options: argparse.Namespace) -> None:
    with _ending():
        book = _read(options.file)
        drafts = {entry.code for entry in book.entries if entry.status not in {"active", "retired"}}
        known = {entry.code for entry in book.entries}
        accepted = drafts if options.all else _named(options.accept, known)
        retired = (drafts - accepted) | _named(options.retire, known)
        if accepted & retired:
            raise _Refused(f"{', '.join(sorted(accepted & retired))}: either accepted or retired")
        later = book.extended(_changed(book, accepted, retired))
        _write(later, options.out)
        _print(_difference(book, later))
        print(f"written to {options.out}")


def _named(codes: Sequence[str], known: Collection[str]) -> set[str]:
    """With the sigil, which may be left out."""
    from scenes.codebook.codes import SIGIL  # noqa: PLC0415

    named = {SIGIL + code.removeprefix(SIGIL) for code in codes}
    unknown = sorted(named - set(known))
    if unknown:
        raise _Refused(
            f"the book has no {', '.join(unknown)}; `hyperbridge scenes codebook show` lists its codes"
        )
    return named


def _changed(book: "Codebook", active: Collection[str], retired: Collection[str]) -> Iterator["Entry"]:
    from msgspec.structs import replace  # noqa: PLC0415

    for entry in book.entries:
        if entry.code in active:
            yield replace(entry, status="active")
        elif entry.code in retired:
            yield replace(entry, status="retired")


def _diff(options: argparse.Namespace) -> None:
    with _ending():
        _print(_difference(_read(options.before), _read(options.after)))


def _difference(before: "Codebook", after: "Codebook") -> Iterator[str]:
    yield f"{before.id}@{before.version} {before.digest[:12]} -> {after.id}@{after.version} {after.digest[:12]}"
    if before.digest not in {after.digest, after.parent}:
        yield "the second was not made of the first: there are versions between, or they are of different books"
    known = {entry.code: entry for entry in before.entries}
    for entry in after.entries:
        old = known.pop(entry.code, None)
        if old is None:
            yield f"+ {entry.code}={entry.phrase} ({entry.status})"
        elif old.phrase != entry.phrase:
            yield f"! {entry.code}={entry.phrase}, which was {old.phrase}: no later version of one book has that"
        elif old.status != entry.status:
            yield f"  {entry.code}={entry.phrase} ({old.status} -> {entry.status})"
    yield from (f"- {entry.code}={entry.phrase}" for entry in known.values())


def _table(book: "Codebook", counters: Sequence["Counter"]) -> Iterator[str]:
    """The entries; by each counter what the uses of one saved, less its line of the legend."""
    names = [counter.name for counter in counters]
    yield f"{book.id}@{book.version}  {book.kind}  epoch {book.digest[:12]}  {len(book.entries)} entries"
    yield "  ".join((
        f"{'code':9}",
        f"{'status':8}",
        f"{'uses':>6}",
        *(f"{name:>13}" for name in names),
        "phrase",
    ))
    for entry in book.entries:
        gains = (f"{_gain(entry, counter):>13}" for counter in counters)
        yield "  ".join((f"{entry.code:9}", f"{entry.status:8}", f"{entry.uses:>6}", *gains, entry.phrase))
    if book.legend:
        legend = (f"{counter.count(book.legend):>13}" for counter in counters)
        yield "  ".join((f"{'legend':9}", f"{'tokens':8}", f"{'':>6}", *legend))


def _gain(entry: "Entry", counter: "Counter") -> int:
    each = counter.count(f" {entry.phrase}") - counter.count(f" {entry.code}")
    return entry.uses * each - counter.count(f"{entry.code}={entry.phrase}\n")


def _texts(paths: Sequence[Path]) -> Iterator[str]:
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in files if not file.is_dir()]
    if len(files) > MOST_FILES:
        raise _Refused(f"more than {MOST_FILES} files: name some of them")
    left = MOST_BYTES
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise _Refused(f"{file}: cannot be read: {error.strerror}") from None
        left -= len(data)
        if left < 0:
            raise _Refused(
                f"the texts have more than {MOST_BYTES // 1_000_000} MB together: name some of them"
            )
        yield data.decode("utf-8", "replace")


def _read(file: Path) -> "Codebook":
    try:
        return read(file)
    except ValueError as fault:
        raise _Refused(f"{file}: {fault}") from None


def _write(book: "Codebook", file: Path) -> None:
    try:
        file.write_bytes(book.to_json() + b"\n")
    except OSError as error:
        raise _Refused(f"cannot write {file}: {error.strerror}") from None


def _counters(directory: Path | None) -> Sequence["Counter"]:
    from app.codecs.vocabularies import Vocabularies, found_in  # noqa: PLC0415
    from scenes.rough import ROUGH  # noqa: PLC0415

    if directory is None:
        return ROUGH
    vocabularies = Vocabularies(found_in(directory))
    return [vocabularies.exact(family) for family in vocabularies.families]


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line)


@contextmanager
def _ending() -> Generator[None]:
    """Ends the command with what was wrong."""
    try:
        yield
    except (_Refused, ValueError) as fault:  # a codebook's and a vocabulary's faults are values' faults
        print(fault, file=sys.stderr)
        sys.exit(2)
