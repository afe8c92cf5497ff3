"""Chat completions: one body, or chunks as OpenAI and vLLM write them."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from adapters.demo import bodies, chat_body, events, logprobs
from adapters.demo.refusals import read
from adapters.demo.turn import Said, speak

FINGERPRINT = "fp_hyperbridge_demo"


def answer(body: bytes, model: str, *, stream: bool) -> bytes | Iterator[bytes]:
    """The whole answer, or its events; raises UpstreamRefused before anything is said."""
    asked = read(chat_body.decoder, body)
    with_usage = bodies.usage_asked(asked.stream_options, stream=stream)
    prompt_tokens = asked.prompt_tokens()
    turn = asked.turn()
    said = [speak(turn, index) for index in range(asked.n or 1)]
    usage = usage_of(prompt_tokens, said)
    top = (asked.top_logprobs or 0) if asked.logprobs else None
    envelope = {
        "id": events.fresh("chatcmpl-"),
        "object": "chat.completion.chunk" if stream else "chat.completion",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": FINGERPRINT,
    }
    if stream:
        return _events(envelope, said, top, usage if with_usage else None)
    choices = [_choice(index, one, top) for index, one in enumerate(said)]
    return events.plain({**envelope, "choices": choices, "usage": usage})


def usage_of(prompt_tokens: int, said: Sequence[Said]) -> dict[str, Any]:
    """Usage in the words of chat and of completions."""
    completion_tokens = sum(one.tokens for one in said)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": sum(len(one.thoughts) for one in said)},
    }


def _choice(index: int, said: Said, top: int | None) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if said.calls else said.text,
        "refusal": None,
    }
    if said.thoughts:
        message |= _thinking(said.thought)
    if said.calls:
        message["tool_calls"] = [
            {
                "id": events.fresh("call_"),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in said.calls
        ]
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(said.pieces, top),
        "finish_reason": said.finish,
    }


def _thinking(text: str) -> dict[str, str]:
    """Under both names that clients look for."""
    return {"reasoning_content": text, "reasoning": text}


def _logprobs(pieces: Sequence[str], top: int | None) -> dict[str, Any] | None:
    return None if top is None else {"content": logprobs.entries(pieces, top), "refusal": None}


def _events(
    envelope: dict[str, Any], said: Sequence[Said], top: int | None, usage: dict[str, Any] | None
) -> Iterator[bytes]:
    frame = events.Frame(envelope, announces=usage is not None)
    for choice in events.interleaved([_chunks(index, one, top) for index, one in enumerate(said)]):
        yield frame.chunk(choice)
    if usage is not None:
        yield events.data({**envelope, "choices": [], "usage": usage})
    yield events.DONE


def _chunks(index: int, said: Said, top: int | None) -> Iterator[dict[str, Any]]:
    """One choice: its role, its thoughts, its tokens or calls, and how it finished."""
    yield _chunk(index, {"role": "assistant", "content": None if said.calls else ""})
    for piece in said.thoughts:
        yield _chunk(index, _thinking(piece))
    for piece in said.pieces:
        yield {**_chunk(index, {"content": piece}), "logprobs": _logprobs([piece], top)}
    for place, call in enumerate(said.calls):
        opened = {"name": call.name, "arguments": ""}
        start = {"index": place, "id": events.fresh("call_"), "type": "function", "function": opened}
        yield _chunk(index, {"tool_calls": [start]})
        for piece in call.pieces:
            yield _chunk(index, {"tool_calls": [{"index": place, "function": {"arguments": piece}}]})
    yield {**_chunk(index, {}), "finish_reason": said.finish}


def _chunk(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
