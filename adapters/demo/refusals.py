"""Bodies decoded, and what is wrong with them said the way OpenAI says it."""

import re
from typing import TypeVar

import msgspec

from adapters.demo import tokens
from app.errors import UpstreamRefused

CONTEXT_TOKENS = 32768
"""The longest prompt, in tokens."""

_WRONG = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_TYPES = re.compile(r"`([a-z| ]+)`")
_TYPE_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
}
_GIVEN_VALUE = re.compile(r"Invalid (?:enum )?value .*", re.DOTALL)

T = TypeVar("T")


def refused(message: str, param: str | None = None, *, code: str | None = None) -> UpstreamRefused:
    return UpstreamRefused(400, message, param=param, code=code)


def read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The decoded body, or a refusal that names the member that is wrong; values are never repeated."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refused("The body is not valid JSON.") from None


def _wrong(message: str) -> UpstreamRefused:
    found = _WRONG.fullmatch(message)
    reason, path = (found[1], found[2] or "") if found else (message, "")
    missing = _MISSING.fullmatch(reason)
    if missing:
        param = f"{path}.{missing[1]}" if path else missing[1]
        return refused(f"Missing required parameter: {param!r}.", param, code="missing_required_parameter")
    said = _GIVEN_VALUE.sub("not one of the supported values", reason)
    said = _TYPES.sub(
        lambda types: " or ".join(_TYPE_NAMES.get(one, one) for one in types[1].split(" | ")), said
    )
    return refused(
        f"Invalid {path or 'body'!r}: {said[:1].lower()}{said[1:]}.", path or None, code="invalid_value"
    )


def prompt_tokens(prompt: str, param: str, more: int = 0, limit: int = CONTEXT_TOKENS) -> int:
    """The tokens of a prompt (and `more`, counted elsewhere), which must be within the limit."""
    if len(prompt) <= limit * tokens.MAX_PIECE_BYTES:  # else counting could only confirm it
        counted = tokens.count(prompt) + more
        if counted <= limit:
            return counted
    raise refused(
        f"This model's maximum context length is {limit} tokens, and the prompt has more. Make it shorter.",
        param,
        code="context_length_exceeded",
    )
