"""An answer on its way to the client: counted, gone on with where it breaks, without what nobody but the gateway asked for."""

from time import perf_counter

import msgspec

from app import sse
from app.contracts import Answer, Call
from app.errors import UpstreamBroken, UpstreamFailure
from app.journal import Record
from app.operations import Dialect
from app.outbound import asks_usage_itself
from app.passing import Passing
from app.reading import Reading
from app.rescue import Rescuing
from app.thoughts import MARK, named_twice

_SAY_DONE = frozenset[Dialect]({"chat", "completions"})
"""Whose streams say [DONE] at their end."""


class _UsageEvent(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw()


_usage_event = msgspec.json.Decoder(_UsageEvent)


class Followed(Passing):
    """The answer that the client gets."""

    def __init__(self, answer: Answer, call: Call, record: Record, rescuing: Rescuing | None) -> None:
        super().__init__(answer)
        self._call = call
        self._record = record
        self._rescuing = rescuing if answer.streams else None
        self._broken: UpstreamFailure | None = None
        self._over = False
        self._hides_usage = asks_usage_itself(call)
        self._names_thoughts = call.operation.dialect == "chat"
        record.streams = answer.streams
        record.first_content = perf_counter()

    async def read(self) -> bytes:
        while not self._over:
            try:
                if self._broken is not None:
                    raise self._broken
                piece = await self._answer.read()
            except UpstreamFailure as failure:
                self._broken = None
                self._answer = await self._gone_on(failure)
                continue
            if not piece:
                break
            if self._rescuing is not None and not self._rescuing.begun:
                self._rescuing.begin(piece)
            piece = self._shown(piece)
            if piece:
                self._record.chunk(perf_counter(), len(piece))
                return piece
        self._record.answered = perf_counter()
        if self.reading.failed:  # the upstream told the client itself
            self._record.failure = _failed()
        return b""

    def _shown(self, piece: bytes) -> bytes:
        """What the client gets of a piece."""
        if self._answer.reading.failed:
            piece = self._until_error(piece)
        if self._hides_usage and b'"usage"' in piece:
            piece = without_usage(piece)
        if self._names_thoughts and MARK in piece:
            piece = named_twice(piece, stream=self._answer.streams)
        return piece

    async def _gone_on(self, failure: UpstreamFailure) -> Answer:
        """The answer that goes on in the place of the one that broke. Raises the failure where there is none."""
        if self._rescuing is None:
            raise failure
        return await self._rescuing.gone_on(failure, self._answer)

    def _until_error(self, piece: bytes) -> bytes:
        """What is passed on of a piece with the upstream's error: what stands before it; and the error, in our words,
        where nobody goes on. Nothing behind it: [DONE] there would make a whole answer of half of one.
        """
        dialect = self._call.operation.dialect
        before, error = at_error(piece, dialect)
        if self._rescuing is not None and not self._rescuing.obstacle(self.reading):
            self._broken = _failed()
            return before
        self._over = dialect in _SAY_DONE
        return before + _failed().event(dialect) if self._over and error else piece


def _failed() -> UpstreamBroken:
    return UpstreamBroken("The upstream failed.", detail="an error event in the stream")


def at_error(events: bytes, dialect: Dialect) -> tuple[bytes, bytes]:
    """The events in front of the one that holds an error, and that one; what is behind it is left out."""
    reading = Reading(dialect)
    sound: list[bytes] = []
    for event in sse.split(events):
        reading.events(event)
        if reading.failed:
            return b"".join(sound), event
        sound.append(event)
    return events, b""


def without_usage(events: bytes) -> bytes:
    """The events, less those that hold usage and no choice."""
    return b"".join(event for event in sse.split(events) if not _only_usage(event))


def _only_usage(event: bytes) -> bool:
    try:
        found = _usage_event.decode(sse.data(event))
    except (msgspec.DecodeError, RecursionError):
        return False
    return found.choices == [] and bytes(found.usage).startswith(b"{")
