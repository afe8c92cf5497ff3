"""What a client may ask of the gateway itself: by headers, or by the member `hyperbridge` of its request."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar, get_args

import msgspec

from app.contracts import LAYERS, NO_WISHES, PRIORITIES, Layer, Priority, Thinking, Wishes, lowered
from app.errors import BadRequest
from app.wire import Request

TIMEOUT = b"x-hyperbridge-timeout"
HEARTBEAT = b"x-hyperbridge-heartbeat"
PRIORITY = b"x-hyperbridge-priority"
MODE = b"x-hyperbridge-mode"
PRESET = b"x-hyperbridge-preset"
TEMPLATE = b"x-hyperbridge-template"
THINKING = b"x-hyperbridge-thinking"
CONVERSATION = b"x-hyperbridge-conversation"
SCENES = b"x-hyperbridge-scenes"
ADAPTER = b"x-hyperbridge-adapter"
"""Of an answer: the version of the adapter that gave it."""
RECALL = b"x-hyperbridge-recall"
REMEMBER = b"x-hyperbridge-remember"
MOST_SECONDS = 86_400.0
LONGEST_BEAT_SECONDS = 60.0

_NUMBER = re.compile(rb"\d{1,9}(?:\.\d{1,20})?")
"""Digits with or without a fraction: `float` takes "1_0" and "nan" as well."""


def timeout_seconds(headers: Mapping[bytes, bytes]) -> float | None:
    """How long the client waits at most for the whole answer; None where it does not say. Raises BadRequest."""
    asked = _seconds(headers, TIMEOUT)
    if asked is not None and not 0 < asked <= MOST_SECONDS:
        raise BadRequest(f"{TIMEOUT.decode()} must be seconds: a number above 0, at most {MOST_SECONDS:.0f}.")
    return asked


def heartbeat_seconds(headers: Mapping[bytes, bytes]) -> float | None:
    """How often a waiting stream shall give a sign of life; 0 is never, None where it does not say. Raises BadRequest."""
    asked = _seconds(headers, HEARTBEAT)
    if asked is not None and asked and not 1 <= asked <= LONGEST_BEAT_SECONDS:
        raise BadRequest(
            f"{HEARTBEAT.decode()} must be seconds: from 1 to {LONGEST_BEAT_SECONDS:.0f}, or 0 for none."
        )
    return asked


def priority(headers: Mapping[bytes, bytes], own: Priority) -> Priority:
    """Its place where calls wait: the one that the client asks for, never above the key's own. Raises BadRequest."""
    asked = headers.get(PRIORITY)
    if asked is None:
        return own
    wanted = _PRIORITIES.get(asked)
    if wanted is None:
        raise BadRequest(f"{PRIORITY.decode()} must be one of {', '.join(PRIORITIES)}.")
    return lowered(wanted, own)


_PRIORITIES: Mapping[bytes, Priority] = {each.encode(): each for each in PRIORITIES}
_THINKING: Mapping[str, Thinking] = {each: each for each in get_args(Thinking)}
_SCENES: Mapping[str, Layer] = {each: each for each in LAYERS}
T = TypeVar("T")


Name = Annotated[str, msgspec.Meta(max_length=64)]
Value = Annotated[str, msgspec.Meta(max_length=4096)]


Source = Annotated[
    str, msgspec.Meta(min_length=1, max_length=263, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")
]
Session = Annotated[str, msgspec.Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The member `hyperbridge` of a request."""

    mode: Name = ""
    preset: Name | Annotated[list[Name], msgspec.Meta(max_length=8)] = ""
    template: Name = ""
    variables: Annotated[
        dict[Name, Value | int | float | bool | list[Value]], msgspec.Meta(max_length=32)
    ] = {}
    thinking: Thinking | None = None
    conversation: Annotated[str, msgspec.Meta(max_length=256)] = ""
    scenes: Layer | None = None
    recall: Annotated[list[Source], msgspec.Meta(max_length=8)] = []
    remember: Session = ""


_asked = msgspec.json.Decoder(_Asked | None)
_MOST_SAID = 200
"""Characters of what is wrong, which may name a member of the client's."""
_HEADERS = (MODE, PRESET, TEMPLATE, THINKING, CONVERSATION, SCENES, RECALL, REMEMBER)


def wishes(headers: Mapping[bytes, bytes], request: Request) -> Wishes:
    """What the client asks for; its headers stand in where the request itself says nothing. Raises BadRequest."""
    raw = request.members.raw("hyperbridge")
    if raw is None and not request.models and headers.keys().isdisjoint(_HEADERS):
        return NO_WISHES
    asked = _member(raw)
    presets = asked.preset if isinstance(asked.preset, list) else [asked.preset] if asked.preset else []
    return Wishes(
        mode=asked.mode or _text(headers, MODE),
        presets=presets or [each for each in re.split(r"[,\s]+", _text(headers, PRESET)) if each],
        template=asked.template or _text(headers, TEMPLATE),
        variables={name: _as_text(value) for name, value in asked.variables.items()},
        thinking=asked.thinking or _one_of(headers, THINKING, _THINKING),
        conversation=asked.conversation or _text(headers, CONVERSATION),
        models=request.models,
        scenes=asked.scenes or _one_of(headers, SCENES, _SCENES),
        recall=tuple(
            asked.recall or [each for each in re.split(r"\s*,\s*", _text(headers, RECALL)) if each][:8]
        ),
        remember=asked.remember or _text(headers, REMEMBER),
    )


def _member(raw: bytes | None) -> _Asked:
    try:
        return (None if raw is None else _asked.decode(raw)) or _Asked()
    except msgspec.ValidationError as error:
        raise BadRequest(
            f"'hyperbridge' is not right: {str(error)[:_MOST_SAID]}. It may hold {', '.join(_Asked.__struct_fields__)}.",
            param="hyperbridge",
        ) from None


def _one_of(headers: Mapping[bytes, bytes], name: bytes, known: Mapping[str, T]) -> T | None:
    asked = _text(headers, name)
    if asked and asked not in known:
        raise BadRequest(f"{name.decode()} must be one of {', '.join(known)}.")
    return known.get(asked)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """A header's value, of at most 256 characters."""
    return headers.get(name, b"")[:256].decode("latin-1").strip()


def _as_text(value: str | float | list[str]) -> str:
    """A variable as a template writes it."""
    if isinstance(value, list):
        return ", ".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _seconds(headers: Mapping[bytes, bytes], name: bytes) -> float | None:
    """The number; one that no bound takes where it is none."""
    value = headers.get(name)
    if value is None:
        return None
    return float(value) if _NUMBER.fullmatch(value) else -1.0
