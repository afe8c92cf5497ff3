"""Anthropic's messages: one message, or the events that build it up; and the count of a prompt's tokens."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from adapters.demo import events, messages_body
from adapters.demo.refusals import read
from adapters.demo.turn import Said, speak

_SIGNATURE = "hyperbridge-demo"
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def answer(body: bytes, model: str, *, stream: bool) -> bytes | Iterator[bytes]:
    """The whole message, or its events; raises UpstreamRefused before anything is said."""
    asked = read(messages_body.decoder, body)
    read_tokens = asked.prompt_tokens()
    said = speak(asked.turn())
    blocks = list(_blocks(said))
    message = {
        "id": events.fresh("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block for block, _ in blocks],
        "stop_reason": "stop_sequence" if said.stop else _REASONS[said.finish],
        "stop_sequence": said.stop,
        "usage": _usage(read_tokens, said.tokens),
    }
    return _events(message, blocks, read_tokens) if stream else events.plain(message)


def count_tokens(body: bytes) -> bytes:
    """The tokens a message's prompt has."""
    return events.plain({"input_tokens": read(messages_body.counted_decoder, body).prompt_tokens()})


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def _blocks(said: Said) -> Iterator[tuple[dict[str, Any], Sequence[str]]]:
    """The content blocks, each with the pieces that its text or its input come in."""
    if said.thoughts:
        yield {"type": "thinking", "thinking": said.thought, "signature": _SIGNATURE}, said.thoughts
    for place, call in enumerate(said.calls, 1):
        cut = said.finish == "length" and place == len(said.calls)  # then its arguments are no whole JSON
        made = {} if cut else msgspec.Raw(call.arguments.encode())
        yield (
            {"type": "tool_use", "id": events.fresh("toolu_"), "name": call.name, "input": made},
            call.pieces,
        )
    if not said.calls:
        yield {"type": "text", "text": said.text}, said.pieces


def _events(
    message: dict[str, Any], blocks: Sequence[tuple[dict[str, Any], Sequence[str]]], read_tokens: int
) -> Iterator[bytes]:
    opened = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(read_tokens, 1),
    }
    yield events.named({"type": "message_start", "message": opened})
    for index, (block, pieces) in enumerate(blocks):
        yield events.named({"type": "content_block_start", "index": index, "content_block": _emptied(block)})
        for delta in _deltas(block, pieces):
            yield events.named({"type": "content_block_delta", "index": index, "delta": delta})
        yield events.named({"type": "content_block_stop", "index": index})
    stopped = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    yield events.named({"type": "message_delta", "delta": stopped, "usage": message["usage"]})
    yield events.named({"type": "message_stop"})


def _emptied(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return {**block, "input": {}}
    return {**block, block["type"]: "", **({"signature": ""} if block["type"] == "thinking" else {})}


def _deltas(block: dict[str, Any], pieces: Sequence[str]) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    elif block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces)
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        yield from ({"type": "text_delta", "text": piece} for piece in pieces)
