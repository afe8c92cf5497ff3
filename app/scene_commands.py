"""`hyperbridge scenes`: a text said shorter, and back; the schema of scenes. No gateway is asked."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from app.rehearsal import Rehearsed

LAYERS = ("safe", "codebook")
_WRONG = 2


def add(actions: Any) -> None:
    """Put the commands under `hyperbridge scenes`."""
    schema = actions.add_parser("schema", help="print the JSON Schema of a scene (hb.scene/1)")
    schema.set_defaults(run=_schema)

    encode = actions.add_parser("encode", help="say a text in fewer tokens, as a tool's result is said")
    _add_file(encode)
    encode.add_argument("--layer", choices=LAYERS, default="safe", help="how far to go (safe)")
    encode.add_argument(
        "--model", default="", help="the upstream's name of the model by whose tokens it is decided what pays"
    )
    encode.add_argument(
        "--tokenizers",
        type=Path,
        metavar="DIR",
        help="the folder of vocabularies; without it tokens are estimated",
    )
    encode.set_defaults(run=_encode)

    decode = actions.add_parser("decode", help="a text as it was before it was encoded")
    _add_file(decode)
    decode.add_argument(
        "--codebook", type=Path, metavar="FILE", help="the codebook that the text was said with"
    )
    decode.set_defaults(run=_decode)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a text in UTF-8; - reads it from the standard input")


def _schema(_: argparse.Namespace) -> None:
    from scenes.scene import json_schema  # noqa: PLC0415 - few ask, and others start faster

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def _encode(options: argparse.Namespace) -> None:
    from app.codecs.vocabularies import Unreadable  # noqa: PLC0415 - as above
    from app.config import Scenes as Settings  # noqa: PLC0415
    from app.rehearsal import rehearsed  # noqa: PLC0415

    settings = Settings().model_copy(update={"tokenizers": options.tokenizers})
    try:
        found = rehearsed(_read(options.file), options.model, options.layer, settings)
    except Unreadable as fault:
        _fail(str(fault))
    _write(found.text or "")
    for line in lines(found):
        print(line, file=sys.stderr)


def _decode(options: argparse.Namespace) -> None:
    from app.config.codebooks import read  # noqa: PLC0415 - as above
    from scenes.forms import Undecodable, decoded  # noqa: PLC0415

    try:
        book = None if options.codebook is None else read(options.codebook)
    except ValueError as fault:
        _fail(f"{options.codebook}: {fault}")
    try:
        _write(decoded(_read(options.file), book))
    except Undecodable as fault:
        _fail(f"{options.file} cannot be undone: {fault}")


def lines(found: "Rehearsed") -> Iterator[str]:
    """What came of a text, for people."""
    forms = ", ".join(part.form for part in found.parts or () if part.form is not None)
    yield f"layer {found.layer}, form {forms or 'none'}, round trip {_round_trip(found)}, {found.encode_ms} ms"
    yield f"{'tokenizer':<24} {'before':>9} {'after':>9} {'saved':>8}"
    for each in found.tokens:
        name = each.tokenizer if each.exact else f"{each.tokenizer} (estimate)"
        share = 1 - each.after / each.before if each.before else 0.0
        yield f"{name:<24} {each.before:>9} {each.after:>9} {share:>8.1%}"
    for part in found.parts or ():
        if part.why is not None:
            yield f"it stays as it is: {part.why}"


def _round_trip(found: "Rehearsed") -> str:
    if found.round_trip is None or not found.round_trip.canonical:
        return "broken"
    return "exact" if found.round_trip.exact else "but for the spaces of JSON"


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode()
    except OSError as failure:
        _fail(f"{file}: {failure.strerror}")
    except UnicodeDecodeError as failure:
        _fail(f"{file} is not UTF-8 (byte {failure.start})")


def _write(text: str) -> None:
    """To the standard output, every character as it is."""
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(_WRONG)
