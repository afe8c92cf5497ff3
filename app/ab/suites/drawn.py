"""One question as it was drawn, and the messages that ask it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias

from app.ab.question import Kind

Place: TypeAlias = Literal["fenced", "tool"]
"""Where the data stands: in a fenced block of the user's text, or as what a tool gave back."""

SYSTEM = "Answer from the data of this conversation. Reply with the answer alone: no sentence, no unit, no explanation."
_CALL = "call_1"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A question about `data` (none: about what was said `before`); `language` is the data's, as a fence names it."""

    part: str
    asked: str
    answer: Any
    kind: Kind = "exact"
    data: str = ""
    language: str = ""
    before: Sequence[Mapping[str, Any]] = ()


def messages(drawn: Drawn, place: Place) -> Sequence[Mapping[str, Any]]:
    """System text, what was said before, the data and the question."""
    head: list[Mapping[str, Any]] = [{"role": "system", "content": SYSTEM}, *drawn.before]
    if not drawn.data:
        return [*head, _user(drawn.asked)]
    if place == "fenced":
        return [*head, _user(f"{fenced(drawn.data, drawn.language)}\n\n{drawn.asked}")]
    function = {"name": "fetch", "arguments": "{}"}
    called = {"id": _CALL, "type": "function", "function": function}
    return [
        *head,
        _user(drawn.asked),
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": _CALL, "content": drawn.data},
    ]


def fenced(data: str, language: str) -> str:
    return f"```{language}\n{data}\n```"


def _user(text: str) -> Mapping[str, Any]:
    return {"role": "user", "content": text}


def hexadecimal(chance: Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def address(chance: Random) -> str:
    """An address of those that are kept for documents (RFC 5737)."""
    return f"{chance.choice(('192.0.2', '198.51.100', '203.0.113'))}.{chance.randrange(1, 255)}"
