"""Where an answer tells texts: in a message, or in the delta of a stream. Pure.

What clients show or run is read: content and thoughts, whole or in parts, and the arguments of calls, in the form of today
and in that of before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

_TEXTS = ("content", "reasoning", "reasoning_content", "refusal")
_DETAILS = "reasoning_details"
_CALLS = {"function": "arguments", "custom": "input"}
"""What a call of a tool holds, and the member of it that is text."""


class Place(NamedTuple):
    """Where a text goes on through the pieces of a stream: a member's name, and which one of several it is."""

    name: str
    number: int = 0

    @property
    def is_json(self) -> bool:
        """Whether it is JSON whatever was asked for."""
        return self.name in {"function", "function_call"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text in a message: the object that holds it, and by what name. `place` is the same where it goes on."""

    place: Place
    holder: dict[str, Any]
    member: str

    def read(self) -> str:
        text: str = self.holder[self.member]
        return text

    def write(self, text: str) -> None:
        self.holder[self.member] = text


def texts(message: dict[str, Any]) -> Iterator[Text]:
    """All texts of a message that are not empty, in the order of their places."""
    for name in _TEXTS:
        yield from _text(Place(name), message, name)
    for part in _objects(message.get("content")):
        yield from _text(Place("content"), part, "text")
        for thought in _objects(part.get("thinking")):
            yield from _text(Place("thinking"), thought, "text")
    for number, detail in enumerate(_objects(message.get(_DETAILS))):
        for member in ("text", "summary"):
            yield from _text(Place(_DETAILS, _index(detail, number)), detail, member)
    yield from _text(Place("function_call"), message.get("function_call"), "arguments")
    for number, call in enumerate(_objects(message.get("tool_calls"))):
        for kind, member in _CALLS.items():
            yield from _text(Place(kind, _index(call, number)), call.get(kind), member)


def add(delta: dict[str, Any], place: Place, text: str) -> None:
    """Put this text behind what the delta tells at this place."""
    name, number = place
    if name in _CALLS:
        _append(_inner(_at(delta, "tool_calls", number), name), _CALLS[name], text)
    elif name == "function_call":
        _append(_inner(delta, name), "arguments", text)
    elif name == _DETAILS:
        _append(_at(delta, _DETAILS, number, type="reasoning.text"), "text", text)
    elif name == "thinking":
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        delta["content"] = [thought, *_parts(delta.get("content"))]
    elif isinstance(delta.get(name), list):
        delta[name].append({"type": "text", "text": text})
    else:
        _append(delta, name, text)


def tells(delta: dict[str, Any]) -> bool:
    """Whether there is anything in a delta but empty texts and the numbers of what they belong to."""
    return any(_tells(value) for value in delta.values())


def _tells(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_tells(inner) for name, inner in value.items() if name not in {"index", "type"})
    return any(map(_tells, value)) if isinstance(value, list) else bool(value)


def _text(place: Place, holder: Any, member: str) -> Iterator[Text]:
    if isinstance(holder, dict) and isinstance(holder.get(member), str) and holder[member]:
        yield Text(place, holder, member)


def _objects(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _index(found: dict[str, Any], place: int) -> int:
    """Which one it is: as it says, or where it stands."""
    index = found.get("index")
    return index if isinstance(index, int) else place


def _at(delta: dict[str, Any], name: str, number: int, **members: str) -> dict[str, Any]:
    """The object with this number in a list of the delta; a new one where it is not there."""
    found = _objects(delta.get(name))
    for place, each in enumerate(found):
        if _index(each, place) == number:
            return each
    delta[name] = [*found, {"index": number, **members}]
    new: dict[str, Any] = delta[name][-1]
    return new


def _inner(holder: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(holder.get(name), dict):
        holder[name] = {}
    inner: dict[str, Any] = holder[name]
    return inner


def _append(holder: dict[str, Any], member: str, text: str) -> None:
    """Behind what is said there; what is no text says nothing."""
    said = holder.get(member)
    holder[member] = said + text if isinstance(said, str) else text


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []
