"""What was asked already, on disk: a run that was stopped goes on where it was."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from app.ab.asking import Arm, Reply
from app.ab.faults import KeptFault

Asked: TypeAlias = tuple[str, Arm, int]
"""A question's id, the arm, and the number of the asking."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be the same for replies of two runs to be one."""

    model: str
    layer: str
    suite_digest: str
    seed: int
    replicates: int
    temperature: float | None
    max_tokens: int | None
    version: str


class Kept:
    """The replies of a run; each is on disk as soon as it is there."""

    def __init__(self, replies: Mapping[Asked, Reply], stream: BinaryIO) -> None:
        self._replies = dict(replies)
        self._stream = stream

    @property
    def replies(self) -> Mapping[Asked, Reply]:
        return self._replies

    def put(self, reply: Reply) -> None:
        self._replies[reply.question, reply.arm, reply.number] = reply
        self._stream.write(msgspec.json.encode(reply) + b"\n")
        self._stream.flush()


@contextmanager
def kept(path: Path, head: Head, *, resume: bool) -> Generator[Kept]:
    """Hold the file, readable for its owner alone: it holds answers. One without any does not stay.

    Raises KeptFault, and OSError.
    """
    if path.exists() and not resume:
        raise KeptFault(f"{path} holds the replies of a run: --resume goes on with it; else remove it")
    replies, length = _read(path, head) if path.exists() else ({}, 0)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - of a descriptor
        stream.truncate(length)
        stream.seek(length)
        if not length:
            stream.write(msgspec.json.encode(head) + b"\n")
            stream.flush()
        held = Kept(replies, stream)
        try:
            yield held
        finally:
            if not held.replies:
                path.unlink(missing_ok=True)


def _read(path: Path, head: Head) -> tuple[Mapping[Asked, Reply], int]:
    """The answers there, what failed is asked again; and how many bytes of the file are whole lines."""
    content = path.read_bytes()
    if not content:
        return {}, 0
    whole, newline, _ = content.rpartition(b"\n")
    first, *lines = whole.split(b"\n")
    try:
        was = msgspec.json.decode(first, type=Head)
        found = [msgspec.json.decode(line, type=Reply) for line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeptFault(f"{path} does not hold the replies of a run: {error}") from None
    other = [name for name in Head.__struct_fields__ if getattr(was, name) != getattr(head, name)]
    if other:
        raise KeptFault(f"{path} is of another run: it differs in {', '.join(other)}")
    replies = {(each.question, each.arm, each.number): each for each in found if not each.error}
    return replies, len(whole) + len(newline)
