"""What is seen of a request before a model is chosen. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from app import estimate
from app.contracts import Call
from app.routing.language import language
from app.usage import MAX_TOKENS

MOST_CHARACTERS = 100_000
"""Of the last message that are looked at."""

_IMAGES = ("image_url", "input_image", "image")
_CODE = re.compile(r"^[ \t]*+(?:```|~~~)|^Traceback \(most recent call last\)", re.MULTILINE)
"""No white space but of the line itself: over line ends, 100,000 of them would take two minutes."""
_STRUCTURED = ("json_schema", "json_object")
"""Tuples, since what is looked for there may be any JSON, and a list has no hash."""
_SCHEMA_MEMBERS = ("guided_json", "structured_outputs")
"""How vLLM takes a schema beside OpenAI's `response_format`."""
_MESSAGES = ("messages", "input", "prompt", "query")
_SYSTEM = ("system", "instructions")
"""Where the system text stands that is no message."""
_ANSWER_BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class Features:
    """What decides. `text` is what the user said last; `conversation` is the same in every turn of one, "" where this
    is not known.

    Tokens are estimates; `answer_tokens` is the client's own bound, 0 where it sets none.
    """

    text: str = ""
    language: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    images: int = 0
    tools: bool = False
    structured: bool = False
    code: bool = False
    turns: int = 0
    conversation: str = ""


def features(call: Call) -> Features:
    """What is seen of this call's request."""
    said = list(_said(call))
    users = [content for role, content in said if role == "user"]
    text = "\n".join(_texts(users[-1]))[:MOST_CHARACTERS] if users else ""
    return Features(
        text=text,
        language=language(text),
        prompt_tokens=estimate.input_tokens(call),
        answer_tokens=next((bound for name in _ANSWER_BOUNDS if (bound := _whole(call, name))), 0),
        images=sum(_images(content) for _, content in said),
        tools=any(_value(call, name) for name in ("tools", "functions")),
        structured=_structured(call),
        code=_CODE.search(text) is not None,
        turns=len(users),
        conversation="" if call.operation.dialect == "plain" else _conversation(call, said),
    )


def conversation(call: Call) -> str:
    """A name for the conversation that this call belongs to, without a look at anything else; "" where it is not known."""
    return _conversation(call, () if call.wishes.conversation else tuple(_said(call)))


def _said(call: Call) -> Iterator[tuple[str, Any]]:
    """Role and content of each message, in any of the dialects; a bare text is the user's."""
    for name in _MESSAGES:
        value = _value(call, name)
        if isinstance(value, str):
            yield "user", value
        elif isinstance(value, list):
            yield from _messages(value)


def _messages(items: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for item in items:
        if isinstance(item, str):
            yield "user", item
        elif isinstance(item, dict) and isinstance(role := item.get("role"), str):
            yield role, item.get("content")


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and isinstance(text := part.get("text"), str):
                yield text


def _images(content: Any) -> int:
    """Those among the parts of a message; and within what a tool answered, as Anthropic has it."""
    if not isinstance(content, list):
        return 0
    parts = [part for part in content if isinstance(part, dict)]
    shown = sum(part.get("type") in _IMAGES for part in parts)
    return shown + sum(_images(part.get("content")) for part in parts)


def _structured(call: Call) -> bool:
    if any(_value(call, name) is not None for name in _SCHEMA_MEMBERS):
        return True
    asked = _value(call, "response_format")
    if asked is None:
        text = _value(call, "text")
        asked = text.get("format") if isinstance(text, dict) else None
    return isinstance(asked, dict) and asked.get("type") in _STRUCTURED


def _conversation(call: Call, said: Sequence[tuple[str, Any]]) -> str:
    """A name for the conversation: the client's, else made of how it began. One caller's are never another's."""
    named = call.wishes.conversation
    if not named and not said:
        return ""
    digest = blake2b(call.caller.id.encode(), digest_size=12)
    if named:
        digest.update(b"\0" + named.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
    for name in _SYSTEM:
        digest.update(call.request.members.raw(name) or b"")
    for role, content in said:
        digest.update(f"\0{role}\0".encode("utf-8", "surrogatepass"))
        digest.update("\n".join(_texts(content)).encode("utf-8", "surrogatepass"))
        if role == "user":
            break
    return digest.hexdigest()


def _whole(call: Call, name: str) -> int:
    value = _value(call, name)
    return min(value, MAX_TOKENS) if isinstance(value, int) and value > 0 else 0


def _value(call: Call, name: str) -> Any:
    """A member's value; None where it cannot be read, which the upstream will judge."""
    if not call.request.members.has(name):
        return None
    try:
        return call.request.members.value(name)
    except msgspec.DecodeError:
        return None


def shown(found: Features) -> Mapping[str, object]:
    """The features for people and programs, without the text."""
    return {
        "language": found.language,
        "prompt_tokens": found.prompt_tokens,
        "answer_tokens": found.answer_tokens,
        "images": found.images,
        "tools": found.tools,
        "structured": found.structured,
        "code": found.code,
        "turns": found.turns,
        "characters": len(found.text),
    }
