"""Why a prompt gets no codes: what the client asks for would not agree with an answer whose codes are undone. Pure."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from app.operations import Operation
from app.wire import Members
from scenes.decoding import may_stop

_ABSENT = frozenset((None, b"null", b"false"))


def _is_prefill(members: Members) -> bool:
    """The assistant's own words end the prompt: the answer goes on within them."""
    raw = members.raw("messages") or b""
    return bool(raw) and _last_role(raw) == "assistant"


class _Message(msgspec.Struct):
    role: str = ""


_messages = msgspec.json.Decoder(list[_Message])


def _last_role(messages: bytes) -> str:
    try:
        found = _messages.decode(messages)
    except msgspec.DecodeError:
        return ""
    return found[-1].role if found else ""


def _is_set(name: str) -> Callable[[Members], bool]:
    return lambda members: members.raw(name) not in _ABSENT


_OBSTACLES: Mapping[str, Callable[[Members], bool]] = {
    "logprobs": _is_set("logprobs"),
    "prediction": _is_set("prediction"),
    "prefill": lambda members: _is_set("continue_final_message")(members) or _is_prefill(members),
}
"""By reason. Tokens that are told one by one, words that shall come as they are, and an answer that goes on within its
prompt do not agree with codes.
"""


def obstacle(operation: Operation, members: Members) -> str:
    """Why this request gets no codes; "" where it may have some. A reason is one word, a label of metrics."""
    if operation.dialect != "chat":
        return "interface"
    return next((reason for reason, is_there in _OBSTACLES.items() if is_there(members)), "")


def stops(members: Members, phrases: Iterable[str]) -> bool:
    """Whether a stop string could be completed by one of these phrases: upstreams look for it among the codes."""
    asked = members.value("stop")
    strings = [asked] if isinstance(asked, str) else asked if isinstance(asked, list) else []
    return may_stop(phrases, [each for each in strings if isinstance(each, str)])


def is_json(members: Members) -> bool:
    """Whether the answer's content is to be one JSON document."""
    asked = members.value("response_format")
    wanted = asked.get("type") if isinstance(asked, dict) else None
    return wanted in {"json_object", "json_schema"} or any(_is_set(name)(members) for name in _JSON)


_JSON = ("guided_json", "structured_outputs", "json_schema")
"""How upstreams are asked for JSON beside `response_format`."""
