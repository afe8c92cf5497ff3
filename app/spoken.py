"""What an answer said: its text, and the tools that it calls; read from the bytes that went by. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app import sse
from app.operations import Dialect


@dataclass(frozen=True, slots=True)
class Spoken:
    """The text of all choices, and each call of a tool, its name and arguments written in one way, in one order."""

    text: str = ""
    calls: Sequence[bytes] = ()


def spoken(body: bytes, dialect: Dialect, *, streams: bool) -> Spoken:
    """What a whole answer said. What cannot be read said nothing."""
    events = [_decoded(sse.data(event)) for event in sse.split(body)] if streams else [_decoded(body)]
    match dialect:
        case "chat" | "completions":
            return _of_choices(events)
        case "responses":
            return _of_output(events)
        case "messages":
            return _of_blocks(events)
        case _:
            return Spoken()


def _of_choices(events: Sequence[Mapping[str, Any]]) -> Spoken:
    """Whole messages, or deltas of them."""
    texts: dict[int, list[str]] = {}
    calls: dict[tuple[int, int], list[str]] = {}
    for event in events:
        for choice in _each(event.get("choices")):
            index = _index(choice, 0)
            said = _mapping(choice.get("delta") or choice.get("message") or choice)
            texts.setdefault(index, []).append(_text(said.get("content") or said.get("text")))
            for place, call in enumerate(_each(said.get("tool_calls"))):
                function = _mapping(call.get("function"))
                parts = calls.setdefault((index, _index(call, place)), ["", ""])
                parts[0] += _text(function.get("name"))
                parts[1] += _text(function.get("arguments"))
    text = "\n".join("".join(texts[index]) for index in sorted(texts))
    return Spoken(text, _in_order(tuple(parts) for parts in calls.values()))


def _of_output(events: Sequence[Mapping[str, Any]]) -> Spoken:
    """The Responses interface: its last event holds the whole answer."""
    answers = [_mapping(event.get("response")) or event for event in events]
    whole = [answer for answer in answers if answer.get("output")][-1:]
    items = [item for answer in whole for item in _each(answer.get("output"))]
    parts = [_text(part.get("text")) for item in items for part in _each(item.get("content"))]
    called = [item for item in items if item.get("type") == "function_call"]
    return Spoken(
        "".join(parts),
        _in_order((_text(item.get("name")), _text(item.get("arguments"))) for item in called),
    )


def _of_blocks(events: Sequence[Mapping[str, Any]]) -> Spoken:
    """The Messages interface: whole blocks, or their beginnings and deltas."""
    texts: list[str] = []
    calls: dict[int, list[Any]] = {}
    for event in events:
        blocks = _each(event.get("content") or [event.get("content_block")])
        for place, block in enumerate(blocks):
            texts.append(_text(block.get("text")))
            if block.get("type") == "tool_use":
                calls[_index(event, place)] = [_text(block.get("name")), block.get("input") or ""]
        delta = _mapping(event.get("delta"))
        texts.append(_text(delta.get("text")))
        call = calls.get(_index(event, 0))
        if call is not None and delta.get("partial_json"):
            call[1] = _text(call[1]) + _text(delta["partial_json"])
    return Spoken("".join(texts), _in_order(tuple(call) for call in calls.values()))


def _in_order(calls: Iterable[tuple[Any, ...]]) -> Sequence[bytes]:
    """Calls, in whatever order they were made: those that say the same are written the same."""
    return tuple(sorted(_written(name, said) for name, said in calls))


def _written(name: str, said: Any) -> bytes:
    """A call, in the same way however its arguments are written; what is too deep for that, as it is."""
    try:
        arguments = orjson.loads(said) if isinstance(said, str) else said
        return orjson.dumps([name, arguments], option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return f"{name} {said}".encode(errors="replace")


def _decoded(text: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(orjson.loads(text))
    except orjson.JSONDecodeError:  # [DONE], a comment, half an event
        return {}


def _each(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list."""
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _index(value: Mapping[str, Any], default: int) -> int:
    index = value.get("index", default)
    return index if isinstance(index, int) else default
