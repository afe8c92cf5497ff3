"""Error answers, as OpenAI, vLLM, Nebius, Anthropic and those write them who have no error object."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from sim.script import Script

JSON = "application/json"

_CODES: Mapping[int, str] = {
    401: "invalid_api_key",
    402: "insufficient_quota",
    403: "permission_denied",
    404: "model_not_found",
    409: "conflict",
    413: "request_too_large",
    429: "rate_limit_exceeded",
}
_TYPES: Mapping[int, str] = {
    402: "insufficient_quota",
    408: "timeout",
    429: "requests",
    504: "timeout",
    529: "overloaded_error",
}
_ANTHROPIC: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_VLLM: Mapping[int, str] = {
    400: "BadRequestError",
    404: "NotFoundError",
    422: "UnprocessableEntityError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}
_MESSAGES: Mapping[str, str] = {
    "context_length_exceeded": (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
    ),
    "content_filter": "The response was filtered, since the prompt triggered the content policy.",
}
_DETAILS: Mapping[int, str] = {
    401: "Couldn't authenticate. Reason: token is not valid",
    402: "The budget of this project is exhausted.",
    405: "Method Not Allowed",
}
"""What Nebius says in its own words."""


def refusal(script: Script, message: str = "") -> tuple[str, bytes]:
    """Content type and body of an error answer, as the script's dialect writes it."""
    if script.dialect == "html":
        return "text/html", b"<html><body>Bad Gateway</body></html>"
    said = message or _MESSAGES.get(script.code) or f"The twin was told to answer {script.status}."
    if script.dialect == "text":
        return "text/plain", said.encode()
    if script.dialect == "nebius":
        return JSON, orjson.dumps({"detail": _detail(script, message or _MESSAGES.get(script.code, ""))})
    return JSON, orjson.dumps(_object(script, said))


def event(script: Script) -> bytes:
    """The data of an error event in a stream; upstreams behind FastAPI write it as vLLM does."""
    failed = Script(status=500, dialect=script.dialect, code=script.code)
    return orjson.dumps(_object(failed, "The engine died."))


def _object(script: Script, message: str) -> dict[str, Any]:
    if script.dialect == "anthropic":
        kind = _ANTHROPIC.get(script.status) or _either(script.status, "invalid_request_error", "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if script.dialect == "vllm" and script.status == 401:
        return {"error": "Unauthorized"}
    if script.dialect in {"vllm", "nebius"}:
        kind = _VLLM.get(script.status) or _phrase(script.status)
        return {"error": {"message": message, "type": kind, "param": None, "code": script.status}}
    kind = _TYPES.get(script.status) or _either(script.status, "invalid_request_error", "server_error")
    code = script.code or _CODES.get(script.status)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _detail(script: Script, message: str) -> object:
    if script.status == 422 and not message:
        fault = {
            "type": "missing",
            "loc": ["body", "messages"],
            "msg": "Field required",
            "input": "the prompt",
        }
        return [fault]
    return message or _DETAILS.get(script.status) or f"The twin was told to answer {script.status}."


def _either(status: int, client: str, server: str) -> str:
    return client if status < 500 else server


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded"
