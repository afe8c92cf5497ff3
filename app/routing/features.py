"""What is seen of a request before a model is chosen. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from app.contracts import Call
from app.nodes import SHORT_BYTES, node, opened, word
from app.prompt import prompt
from app.routing.language import language
from app.usage import MAX_TOKENS
from app.wire import Members

_CODE = re.compile(r"^[ \t]*+(?:```|~~~)|^Traceback \(most recent call last\)", re.MULTILINE)
"""No white space but of the line itself: over line ends, 30,000 of them would take ten seconds."""
_STRUCTURED = ("json_schema", "json_object")
_SCHEMA_MEMBERS = ("guided_json", "structured_outputs")
"""How vLLM takes a schema beside OpenAI's `response_format`."""
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
    members = call.request.members
    found = members.once(prompt)
    return Features(
        text=found.text,
        language=language(found.text),
        prompt_tokens=found.tokens,
        answer_tokens=next((bound for name in _ANSWER_BOUNDS if (bound := _whole(members, name))), 0),
        images=found.images,
        tools=any(node(members, name) for name in ("tools", "functions")),
        structured=_structured(members),
        code=_CODE.search(found.text) is not None,
        turns=found.turns,
        conversation="" if call.operation.dialect == "plain" else conversation(call),
    )


def conversation(call: Call) -> str:
    """A name for the conversation that this call belongs to: the client's, else made of how it began; "" where it is not
    known. One caller's are never another's.
    """
    named = call.wishes.conversation
    opening = () if named else call.request.members.once(prompt).opening
    if not named and not opening:
        return ""
    digest = blake2b(call.caller.id.encode(), digest_size=12)
    if named:
        digest.update(b"\0" + named.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
    for name in _SYSTEM:
        digest.update(_ends(call.request.members.raw(name) or b""))
    for role, text in opening:
        digest.update(f"\0{role}\0{text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _ends(raw: bytes) -> bytes:
    return raw if len(raw) <= SHORT_BYTES else raw[: SHORT_BYTES // 2] + raw[-SHORT_BYTES // 2 :]


def _structured(members: Members) -> bool:
    if any(node(members, name) is not None for name in _SCHEMA_MEMBERS):
        return True
    asked = node(members, "response_format")
    if asked is None:
        text = node(members, "text")
        asked = opened(text.get("format"), 1) if isinstance(text, dict) else None
    return isinstance(asked, dict) and word(asked.get("type")) in _STRUCTURED


def _whole(members: Members, name: str) -> int:
    value = node(members, name)
    return min(value, MAX_TOKENS) if isinstance(value, int) and value > 0 else 0


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
