"""An upstream's error answer, told as one of our failures: whose fault it is, and what the client may know.

Nebius speaks FastAPI's `detail` (and echoes the prompt in it), vLLM numbers its codes, others send text; a
client gets OpenAI's error object from all of them. An answer about our own key is never shown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from app.contracts import Headers
from app.errors import (
    ContentFiltered,
    ContextTooLong,
    CredentialRejected,
    ModelMissing,
    Unsupported,
    UpstreamBroken,
    UpstreamConflict,
    UpstreamFailure,
    UpstreamGaveUp,
    UpstreamLimited,
    UpstreamRefused,
    UpstreamUnavailable,
)
from app.operations import Dialect

_OURS = frozenset({401, 402, 403})
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NO_CREDIT = "Your credit balance is too low"
"""How Anthropic begins with 400; not looked for further on, where a client's text may stand."""
_UNAVAILABLE = frozenset({503, 529})
_TIMED_OUT = frozenset({408, 504})
_NOT_NOW = frozenset({409, 425})
_REFUSED_AS: Mapping[str, type[UpstreamRefused]] = {
    "context_length_exceeded": ContextTooLong,
    "model_not_found": ModelMissing,
    "content_filter": ContentFiltered,
    "content_policy_violation": ContentFiltered,
    "invalid_prompt": ContentFiltered,
    "moderation_blocked": ContentFiltered,
    "ResponsibleAIPolicyViolation": ContentFiltered,
    "invalid_model": ModelMissing,
}
"""Refusals that mean something to the choice of a route, by their code: OpenAI's, Azure's, Mistral's."""
_MAX_MESSAGE = 2000
_LLAMA_CPP = re.compile(r"Failed to parse (messages|tools)|Unknown reasoning format|input is not supported")
"""The client's own mistakes that llama.cpp answers with 500."""
_TOO_LONG = re.compile(
    r"maximum context length|longer than the maximum model length of"  # vLLM
    r"|longer than the model's context length"  # SGLang
    r"|available context size|is too large to process|Context size has been exceeded"  # llama.cpp
    r"|exceeds the context length"  # Ollama
    r"|prompt is too long|exceed context limit"  # Anthropic
    r"|`inputs` tokens \+ `max_new_tokens`"  # TGI
    r"|exceeds the maximum number of tokens allowed"  # Gemini
)
"""What is said of a prompt that is longer than the context, where no code says it."""
_NO_MODEL = re.compile(r"^Model Not Exist|is not a valid model ID")
"""How DeepSeek and OpenRouter say it, with 400."""
_ABOUT_MODEL = re.compile(r"\bmodel\b(?!\.\w)")
"""A model, in a 403; `model.request` is what our key may not do at all."""
_FILTERED = re.compile(
    r"requires moderation|\b(?:input|prompt|content|request) (?:was|has been) flagged|safety system|content filter",
    re.IGNORECASE,
)
"""How a filter is told without a code, by OpenRouter and Anthropic."""
_WORDS = (
    (_TOO_LONG, "context_length_exceeded"),
    (_FILTERED, "content_filter"),
    (_NO_MODEL, "model_not_found"),
)

_FAULT = re.compile(
    r"""'loc': '(?:body\.)?([^']*)', 'msg': (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"), 'input': """
)
"""FastAPI's fault inside a message of vLLM's: as Python prints it, followed by its `input` (the prompt)."""
_ECHO = re.compile(
    r" \[type=\w+, input_value=.*?, input_type=\w+\](\s+For further information visit \S+)?", re.DOTALL
)
"""How pydantic repeats the value that it found wrong."""
_NAME = re.compile(r"[\w.-]{1,64}")
"""A type or a code that may stand in the log; anything else could be text of the request."""
_NO_SUCH_PATH = frozenset({"", "Not Found"})
"""What FastAPI says where there is no such path; who knows the path and not the model says more."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What an error body said, in OpenAI's terms; `proper` where it was an error object already, Anthropic's or OpenAI's.

    `inner` is the code of the error inside, where Azure has it.
    """

    message: str = ""
    type: str | None = None
    code: str | None = None
    inner: str | None = None
    param: str | None = None
    proper: bool = False
    anthropic: bool = False


def refusal(status: int, headers: Headers, body: bytes, dialect: Dialect = "plain") -> UpstreamFailure:
    """The failure that an answer of this status (400 or above) stands for, asked in this dialect."""
    failure = _failure(status, headers, body, dialect)
    failure.answered = True
    return failure


def _failure(status: int, headers: Headers, body: bytes, dialect: Dialect) -> UpstreamFailure:
    said = _read(body)
    inside = " ".join([
        "upstream answered",
        str(status),
        *filter(_NAME.fullmatch, (said.type or "", said.code or "")),
    ])
    kept = _kept(headers)
    if _is_about_us(status, said):
        return CredentialRejected("The upstream does not accept this gateway's credentials.", detail=inside)
    if status == 429:
        return UpstreamLimited("The upstream's rate limit is reached.", detail=inside, headers=kept)
    if status in _TIMED_OUT:
        return UpstreamGaveUp("The upstream did not answer in time.", detail=inside, headers=kept)
    if status in _UNAVAILABLE:
        return UpstreamUnavailable("The upstream is overloaded.", detail=inside, headers=kept)
    if status == 500 and (_LLAMA_CPP.search(said.message) or _TOO_LONG.search(said.message)):
        status = 400
    if status >= 500 and status != 501:
        return UpstreamBroken("The upstream failed.", detail=inside, headers=kept)
    passes = said.proper and said.anthropic == (dialect == "messages")
    return _refused(status, said, body if passes else None, kept)


def refusal_within(told: bytes, dialect: Dialect, where: str) -> UpstreamFailure:
    """The failure that an error object in an answer of status 200 stands for: by the status that it names."""
    status = _status_within(told)
    if status is None:
        return UpstreamBroken("The upstream failed.", detail=where)
    return refusal(status, (), told, dialect)


def _status_within(told: bytes) -> int | None:
    try:
        found = msgspec.json.decode(told)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    inside = found.get("error") if isinstance(found, dict) else None
    places = [place for place in (inside, found) if isinstance(place, dict)]
    named = [place.get(name) for place in places for name in ("code", "status")]
    return next((status for status in named if type(status) is int and 400 <= status < 600), None)


def _is_about_us(status: int, said: _Said) -> bool:
    """Whether our key is not accepted, or our account is out of money."""
    if status == 403:
        return _code(status, said) is None
    return (
        status in _OURS
        or not _NO_MONEY.isdisjoint({said.code, said.type})
        or said.message.startswith(_NO_CREDIT)
    )


def _refused(status: int, said: _Said, raw: bytes | None, kept: Mapping[str, str]) -> UpstreamRefused:
    """The client's own mistake: as the upstream told it, or told again in the client's terms."""
    if status == 501 or (status == 404 and said.message in _NO_SUCH_PATH):
        return ModelMissing(
            status, "The upstream does not offer this operation.", code=Unsupported.code, headers=kept
        )
    code = _code(status, said)
    kind = _kind(status, code)
    if status == 403 and kind is ModelMissing:  # what is said of it may name our account
        return ModelMissing(404, "The upstream does not offer this model.", code=code, headers=kept)
    return kind(
        status,
        said.message or f"The upstream refused the request ({status}).",
        type="invalid_request_error",
        code=said.code or code,
        param=said.param,
        raw=raw,
        headers=kept,
    )


def _kind(status: int, code: str | None) -> type[UpstreamRefused]:
    """What the refusal means to the choice of a route."""
    if status in _NOT_NOW:
        return UpstreamConflict
    if status == 404:  # the path is right, so it is the model that is not there
        return ModelMissing
    return _REFUSED_AS.get(code or "", UpstreamRefused)


def _kept(headers: Headers) -> Mapping[str, str]:
    when = dict(headers).get(b"retry-after")
    return {} if when is None else {"retry-after": when.decode("latin-1")}


def _code(status: int, said: _Said) -> str | None:
    """What the refusal is about, whatever words it uses for that."""
    for code in (said.code, said.type, said.inner):
        if code in _REFUSED_AS:
            return code
    for words, code in _WORDS:
        if words.search(said.message):
            return code
    return "model_not_found" if _about_model(status, said) else None


def _about_model(status: int, said: _Said) -> bool:
    if status == 404:
        return said.param == "model" or "model" in said.message.lower()
    return status == 403 and _ABOUT_MODEL.search(said.message) is not None


def _read(body: bytes) -> _Said:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Said()
    if isinstance(found, list) and found:  # Gemini's way
        found = found[0]
    if not isinstance(found, dict):
        return _Said()
    error = found.get("error", found)
    if isinstance(error, str):
        return _Said(error[:_MAX_MESSAGE])
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        said = _from_object(error, nested="error" in found)
        return replace(said, anthropic=found.get("type") == "error")
    return _Said(_detail(found.get("detail")))


def _from_object(error: Mapping[str, Any], *, nested: bool) -> _Said:
    code = error.get("code")
    kind = error.get("type")
    param = error.get("param")
    known = "type" in error and (kind is None or (isinstance(kind, str) and kind.islower()))
    proper = nested and known and (code is None or isinstance(code, str))
    inside = error.get("innererror") or error.get("inner_error")
    inner = inside.get("code") if isinstance(inside, dict) else None
    return _Said(
        _without_input(error["message"])[:_MAX_MESSAGE],
        kind if isinstance(kind, str) else None,
        code if isinstance(code, str) else None,
        inner if isinstance(inner, str) else None,
        param.removeprefix("body.") if isinstance(param, str) else None,
        proper,
    )


def _without_input(message: str) -> str:
    """What was found wrong, without the value; looked for in the beginning alone, since the search is slow."""
    message = message[: 2 * _MAX_MESSAGE]
    faults = _FAULT.findall(message)
    if faults:
        return "; ".join(f"{place}: {single or double}" for place, single, double in faults)
    return _ECHO.sub("", message).partition(", input_value=")[0]


def _detail(detail: object) -> str:
    """FastAPI's detail: a text, or a list of faults whose `input` (the prompt) is left out."""
    if isinstance(detail, str):
        return detail[:_MAX_MESSAGE]
    if not isinstance(detail, list):
        return ""
    faults = [fault for fault in detail if isinstance(fault, dict)]
    return "; ".join(f"{_place(fault.get('loc'))}: {fault.get('msg', 'invalid')}" for fault in faults)[
        :_MAX_MESSAGE
    ]


def _place(loc: object) -> str:
    if not isinstance(loc, list):
        return "body"
    return ".".join(str(part) for part in loc if part != "body") or "body"
