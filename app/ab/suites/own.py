"""A user's own questions, from a file of JSON lines."""

from pathlib import Path
from random import Random
from typing import Annotated, Any

import msgspec

from app.ab.faults import SuiteFault
from app.ab.judging import number_of
from app.ab.question import Kind, Question


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    messages: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    answer: Any
    kind: Kind = "exact"
    id: str = ""


_decoder = msgspec.json.Decoder(_Line)
_WANTED = {
    "exact": "a text",
    "number": "a number",
    "json": "a JSON value",
    "one_of": "a list of at least one text",
}


def read(path: Path, count: int, seed: int) -> list[Question]:
    """The questions of a file, or so many of them, chosen by the seed. Raises SuiteFault."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise SuiteFault(f"{path}: {error.strerror}") from None
    found: dict[str, Question] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            question = _question(path, number, line)
            if question.id in found:
                raise SuiteFault(f"{path}:{number}: the id {question.id!r} stands on an earlier line as well")
            found[question.id] = question
    if not found:
        raise SuiteFault(f"{path}: holds no question")
    chosen = Random(seed).sample(sorted(found), min(count, len(found)))  # noqa: S311 - no secret
    return [found[name] for name in chosen]


def _question(path: Path, number: int, line: bytes) -> Question:
    try:
        read = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SuiteFault(f"{path}:{number}: {error}") from None
    if not _fits(read.kind, read.answer):
        raise SuiteFault(
            f"{path}:{number}: the answer to a question of the kind {read.kind} is {_WANTED[read.kind]}"
        )
    if not all(isinstance(message.get("role"), str) for message in read.messages):
        raise SuiteFault(f"{path}:{number}: every message is an object with a role")
    return Question(read.id or f"line-{number}", path.stem, read.messages, read.answer, read.kind)


def _fits(kind: Kind, answer: Any) -> bool:
    if kind == "exact":
        return isinstance(answer, str)
    if kind == "number":
        return not isinstance(answer, bool) and number_of(str(answer)) is not None
    if kind == "one_of":
        return isinstance(answer, list) and bool(answer) and all(isinstance(each, str) for each in answer)
    return True
