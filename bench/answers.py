"""What the fake upstream answers, byte for byte: it and the load generator both build it from the model's name."""

import re
from dataclasses import dataclass
from functools import cache

import orjson

MARK = b" lumen"
"""The text of a chunk; it stands nowhere else in an answer, so a gateway that rewrites it can still be checked."""

PLAIN_MARKS = 120
"""Marks in a plain answer, which makes its body about 1 KB."""

_STREAM = re.compile(r"stream-(\d+)-(\d+)")
_FRAME = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000}


@dataclass(frozen=True, slots=True)
class Script:
    """How a model answers: in one piece (no chunks), or in chunks so many seconds apart."""

    chunks: int
    gap_seconds: float

    @classmethod
    def of(cls, model: str) -> "Script":
        """`stream-64-20` is 64 chunks 20 ms apart; any other name answers in one piece."""
        found = _STREAM.fullmatch(model)
        return cls(0, 0.0) if found is None else cls(int(found[1]), int(found[2]) / 1000)


@cache
def plain(model: str) -> bytes:
    """The whole body of an answer in one piece."""
    message = {"role": "assistant", "content": MARK.decode() * PLAIN_MARKS, "refusal": None}
    return orjson.dumps({
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 50, "completion_tokens": PLAIN_MARKS, "total_tokens": 50 + PLAIN_MARKS},
    })


@cache
def events(model: str, *, usage: bool) -> tuple[bytes, ...]:
    """The events of a stream: the role, the chunks, the finish, the usage where it was asked for, the end."""
    chunks = Script.of(model).chunks
    told = [
        _choice(model, {"role": "assistant", "content": ""}, None),
        *[_choice(model, {"content": MARK.decode()}, None)] * chunks,
        _choice(model, {}, "stop"),
    ]
    if usage:
        counts = {"prompt_tokens": 50, "completion_tokens": chunks, "total_tokens": 50 + chunks}
        told.append(_FRAME | {"model": model, "choices": [], "usage": counts})
    return (*(b"data: " + orjson.dumps(event) + b"\n\n" for event in told), b"data: [DONE]\n\n")


@cache
def whole(model: str) -> bytes:
    """An answer's body as a client receives it that asked for no usage."""
    return b"".join(events(model, usage=False)) if Script.of(model).chunks else plain(model)


def _choice(model: str, delta: dict[str, str], finish: str | None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _FRAME | {"model": model, "choices": [choice]}
