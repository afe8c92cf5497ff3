"""What makes scenes of turns: rules, or a model, which answers with numbers alone."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import msgspec

from app.contracts import Call, Caller
from app.errors import BadRequest, Failure, LimitReached, UpstreamFailure
from app.exchange import Exchange
from app.journal import Journal, Record
from app.memory.wanted import WantedScenes
from app.operations import CHAT
from app.wire import Request
from scenes.former import Whose, formed, grouped
from scenes.parsing import MOST_SENTENCES, RESPONSE_FORMAT, Shown, Unverified, shown
from scenes.scene import Kind, Scene

MOST_PARTS = 20
"""For which a model is asked, one after the other."""
_TOO_MANY = (
    f"A model is shown at most {MOST_PARTS * MOST_SENTENCES:,} sentences at once, and these are more: send them in parts, "
    "or without `parser`."
)
_log = logging.getLogger("hyperbridge")


class Former(Protocol):
    async def formed(self, wanted: WantedScenes, whose: Whose) -> Sequence[Scene]:
        """The scenes of what is wanted, numbered among themselves."""


class Rules:
    """By rules, in one thread, one after the other: each takes up to three seconds."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forming")

    async def formed(self, wanted: WantedScenes, whose: Whose) -> Sequence[Scene]:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: [*formed(wanted.said, whose, wanted.kind_of_all)]
        )


RULES = Rules()


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []


_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class ByModel:
    """By a model that the caller may use, asked as the caller would: limits count it, and the caller pays for it.

    An answer that does not fit what was shown is let go, and rules stand in for that part; so they do where the model fails
    later than at the first part, since what it said before is paid for.
    """

    model: str
    exchange: Exchange
    journal: Journal
    caller: Caller
    id: str

    async def formed(self, wanted: WantedScenes, whose: Whose) -> Sequence[Scene]:
        """Raises Failure where the model does not answer, and BadRequest where it would have to be asked too often."""
        parts = await asyncio.to_thread(shown, wanted.said)
        if len(parts) > MOST_PARTS:
            raise BadRequest(_TOO_MANY, param="parser")
        scenes: list[Scene] = []
        for part in parts:
            answer = await (self._asked_again(part) if scenes else self._asked(part))
            scenes += await asyncio.to_thread(
                self._scenes, part, answer, whose, wanted.kind_of_all, 1 + len(scenes)
            )
        return scenes

    def _scenes(self, part: Shown, answer: bytes, whose: Whose, kind: Kind, first: int) -> Sequence[Scene]:
        try:
            return part.parsed(answer, whose, f"llm:{self.model}", kind, first)
        except Unverified as fault:
            _log.warning("scenes by rules, since the answer of %s does not fit: %s", self.model, fault)
            return [*grouped(part.sentences, whose, kind, first)]

    async def _asked_again(self, part: Shown) -> bytes:
        try:
            return await self._asked(part)
        except (UpstreamFailure, LimitReached):  # its record tells of it
            return b""

    async def _asked(self, part: Shown) -> bytes:
        """What the model says, b"" where it says nothing."""
        body = {
            "model": self.model,
            "messages": part.messages(),
            "response_format": RESPONSE_FORMAT,
            "temperature": 0,
        }
        request = Request.parse(msgspec.json.encode(body), CHAT)
        record = Record(self.id, CHAT, perf_counter())
        record.caller = self.caller
        now = asyncio.get_running_loop().time()
        call = Call(self.id, CHAT, request, self.caller, (), now, user=self.caller.user or "")
        with self.journal.writing(record):
            try:
                async with self.exchange.answer(call, record) as answer:
                    return _content(await answer.read())
            except Failure as failure:
                record.failure = failure.alone()
                raise


def _content(body: bytes) -> bytes:
    try:
        choices = _answer.decode(body).choices
    except msgspec.DecodeError:
        return b""
    return (choices[0].message.content or "").encode() if choices else b""
