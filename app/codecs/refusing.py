"""Why a prompt gets no codes: what the client asks for would not agree with an answer whose codes are undone. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from app.operations import Operation
from app.wire import Members

_ABSENT = frozenset((None, b"null", b"false"))
_NO_STOP = frozenset((None, b"null", b'""', b"[]"))
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an upstream is asked for: the client's members, and a route's `defaults` that it says nothing about."""

    members: Members
    defaults: Mapping[str, bytes]

    def raw(self, name: str) -> bytes | None:
        """A member's JSON text."""
        return self.members.raw(name) if self.members.has(name) else self.defaults.get(name)


def choices(wanted: Wanted) -> int:
    """How many answers are wanted."""
    raw = wanted.raw("n") or b"1"
    return int(raw) if raw.isdigit() and len(raw) < 4 else 1


def _is_prefill(wanted: Wanted) -> bool:
    """The assistant's own words end the prompt: the answer goes on within them."""
    raw = wanted.raw("messages") or b""
    return bool(raw) and _last_role(raw) == "assistant"


def _stops(wanted: Wanted) -> bool:
    raw = wanted.raw("stop")
    return raw is not None and raw.translate(None, _SPACE) not in _NO_STOP


class _Message(msgspec.Struct):
    role: str = ""


_messages = msgspec.json.Decoder(list[_Message])


def _last_role(messages: bytes) -> str:
    try:
        found = _messages.decode(messages)
    except msgspec.DecodeError:
        return ""
    return found[-1].role if found else ""


def _is_set(name: str) -> Callable[[Wanted], bool]:
    return lambda wanted: wanted.raw(name) not in _ABSENT


_OBSTACLES: Mapping[str, Callable[[Wanted], bool]] = {
    "logprobs": _is_set("logprobs"),
    "prediction": _is_set("prediction"),
    "prefill": lambda wanted: _is_set("continue_final_message")(wanted) or _is_prefill(wanted),
    "stop": _stops,
}
"""By reason. Tokens that are told one by one, words that shall come as they are, an answer that goes on within its prompt, and
strings that end it, which upstreams look for among codes, do not agree with them. Each is known from a conversation's first
turn on, whatever phrases later ones bring: its beginning stays.
"""


def obstacle(operation: Operation, wanted: Wanted) -> str:
    """Why this request gets no codes; "" where it may have some. A reason is one word, a label of metrics."""
    if operation.dialect != "chat":
        return "interface"
    return next((reason for reason, is_there in _OBSTACLES.items() if is_there(wanted)), "")


class _Format(msgspec.Struct):
    type: str = ""


_format = msgspec.json.Decoder(_Format | None)


def is_json(wanted: Wanted) -> bool:
    """Whether the answer's content is to be one JSON document."""
    has_type = _type(wanted.raw("response_format") or b"null") in {"json_object", "json_schema"}
    return has_type or any(_is_set(name)(wanted) for name in _JSON)


def _type(response_format: bytes) -> str:
    try:
        found = _format.decode(response_format)
    except msgspec.DecodeError:
        return ""
    return found.type if found else ""


_JSON = ("guided_json", "structured_outputs", "json_schema")
"""How upstreams are asked for JSON beside `response_format`."""
