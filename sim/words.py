"""What the twin says: numbered words, so that a reader sees at once what is missing or came twice."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from sim.script import Script

PROMPT_TOKENS = 7


def text(script: Script) -> str:
    """The whole answer."""
    return "".join(_word(script, number) for number in range(script.chunks))


def _word(script: Script, number: int) -> str:
    return f"word{number}{'.' * script.pad} "


def usage(tokens: int) -> Mapping[str, int]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
    }


def plain(path: str, request: Mapping[str, Any], script: Script) -> bytes:
    """A plain answer to this path."""
    model = request.get("model")
    if path.endswith("/embeddings"):
        entry = {"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}
        body: Mapping[str, Any] = {"object": "list", "data": [entry], "model": model, "usage": usage(0)}
    elif path.endswith("/chat/completions"):
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text(script)},
            "finish_reason": "stop",
        }
        body = _envelope("chat.completion", model) | {"choices": [choice], "usage": usage(script.chunks)}
    else:
        body = {"id": "twin", "path": path, "model": model, "choices": [], "usage": usage(script.chunks)}
    return orjson.dumps(body) + b" " * script.pad


def events(request: Mapping[str, Any], script: Script) -> Iterator[bytes]:
    """The data of each event of a streamed chat answer, without what the script leaves out or breaks."""
    model = request.get("model")
    asked = bool((request.get("stream_options") or {}).get("include_usage"))
    always = script.usage == "always"
    yield _chunk(model, {"role": "assistant", "content": ""}, usage(0) if always else None)
    for number in range(script.chunks):
        if number == script.error:
            yield orjson.dumps({
                "error": {"message": "The engine died.", "type": "server_error", "code": None}
            })
            return
        if number == script.malformed:
            yield b'{"choices": [{"delta": {"content": "wor'
            continue
        yield _chunk(model, {"content": _word(script, number)}, usage(number + 1) if always else None)
    if script.finish:
        yield _chunk(model, {}, None, finish="stop")
    if asked and script.usage != "never":
        yield orjson.dumps(
            _envelope("chat.completion.chunk", model) | {"choices": [], "usage": usage(script.chunks)}
        )
    if script.done:
        yield b"[DONE]"


def _chunk(
    model: object, delta: Mapping[str, str], used: Mapping[str, int] | None, finish: str | None = None
) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = _envelope("chat.completion.chunk", model) | {"choices": [choice]}
    return orjson.dumps(body | {"usage": used} if used else body)


def _envelope(kind: str, model: object) -> dict[str, Any]:
    return {"id": "chatcmpl-twin", "object": kind, "created": 1700000000, "model": model}


def refusal(script: Script) -> tuple[str, bytes]:
    """Content type and body of an error answer, as the script's dialect writes it."""
    message = f"The twin was told to answer {script.status}."
    if script.dialect == "html":
        return "text/html", b"<html><body>Bad Gateway</body></html>"
    if script.dialect == "text":
        return "text/plain", message.encode()
    if script.dialect == "nebius":
        fault = {
            "type": "missing",
            "loc": ["body", "messages"],
            "msg": "Field required",
            "input": "the prompt",
        }
        return "application/json", orjson.dumps({"detail": [fault] if script.status == 422 else message})
    code = script.status if script.dialect == "vllm" else None
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return "application/json", orjson.dumps({"error": error})
