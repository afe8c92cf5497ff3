"""One turn of the demo: from what was asked, in any dialect, to what is said, token by token."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from adapters.demo import functions, schema, speech, tokens
from adapters.demo.functions import NO_OFFER, Offer
from adapters.demo.keywords import Unsatisfiable
from adapters.demo.material import gather
from adapters.demo.refusals import refused
from adapters.demo.speech import Effort, Heard

Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The JSON that the answer must be; without a schema any object. `param` is where the request said so."""

    schema: Mapping[str, Any] | None
    param: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked. `limit` bounds all tokens of the answer, thoughts included."""

    heard: Heard
    limit: int | None = None
    stop: Sequence[str] = ()
    offer: Offer = NO_OFFER
    shape: Shape | None = None
    effort: Effort = "none"


@dataclass(frozen=True, slots=True)
class Called:
    """A function call; its arguments are JSON text, in pieces."""

    name: str
    pieces: Sequence[str]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said: tokens of text, or calls. `stop` is the sequence that ended it."""

    pieces: Sequence[str]
    thoughts: Sequence[str]
    calls: Sequence[Called]
    finish: Finish
    stop: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def thought(self) -> str:
        return "".join(self.thoughts)

    @property
    def tokens(self) -> int:
        calls = sum(len(call.pieces) + tokens.count(call.name) for call in self.calls)
        return len(self.pieces) + len(self.thoughts) + calls


def speak(turn: Turn, variant: int = 0) -> Said:
    """The answer to a turn, the same one every time; `variant` tells the choices of one request apart."""
    left = math.inf if turn.limit is None else turn.limit
    thoughts, left = _within(tokens.split(speech.thought(turn.heard, turn.effort)), left)
    chosen = () if _answers_result(turn) else functions.called(turn.offer, turn.heard.text)
    if chosen:
        return _calling(turn, chosen, thoughts, left)
    text, stop = _stopped(_text(turn, variant), turn.stop)
    whole = tokens.split(text)
    pieces, left = _within(whole, left)
    cut = len(pieces) < len(whole)
    return Said(pieces, thoughts, (), "length" if cut else "stop", None if cut else stop)


def _answers_result(turn: Turn) -> bool:
    """Whether tools have answered: then it is the demo's turn to speak, unless a call is required."""
    return turn.heard.result is not None and turn.offer.mode != "required"


def _within(pieces: Sequence[str], left: float) -> tuple[Sequence[str], float]:
    kept = pieces if len(pieces) <= left else pieces[: int(left)]
    return kept, left - len(kept)


def _calling(turn: Turn, chosen: Sequence[functions.Function], thoughts: Sequence[str], left: float) -> Said:
    material = gather(turn.heard.text)
    calls: list[Called] = []
    for function in chosen:
        left -= tokens.count(function.name)
        if left < 0:
            return Said((), thoughts, calls, "length")
        try:
            whole = _pieces(functions.arguments(function, material))
        except Unsatisfiable as error:
            raise refused(f"Invalid parameters of function {function.name!r}: {error}.", "tools") from None
        pieces, left = _within(whole, left)
        calls.append(Called(function.name, pieces))
        if len(pieces) < len(whole):
            return Said((), thoughts, calls, "length")
    return Said((), thoughts, calls, "tool_calls")


def _pieces(arguments: str) -> Sequence[str]:
    """At least two, so that every stream shows how arguments arrive in parts."""
    pieces = tokens.split(arguments)
    return pieces if len(pieces) > 1 else list(arguments)


def _text(turn: Turn, variant: int) -> str:
    if turn.shape is None:
        return speech.answer(turn.heard, variant)
    if turn.shape.schema is None:
        made: Any = {"answer": speech.answer(turn.heard, variant), "words": len(turn.heard.text.split())}
        return msgspec.json.encode(made).decode()
    try:
        made = schema.instance(turn.shape.schema, gather(turn.heard.text))
    except Unsatisfiable as error:
        raise refused(
            f"Invalid JSON schema: {error}.", turn.shape.param, code="invalid_json_schema"
        ) from None
    return msgspec.json.encode(made).decode()


def _stopped(text: str, stop: Sequence[str]) -> tuple[str, str | None]:
    """The text before the first of the stop sequences in it, and which one that was."""
    found = [(text.find(sequence), sequence) for sequence in stop if sequence in text]
    if not found:
        return text, None
    at, sequence = min(found)
    return text[:at], sequence
