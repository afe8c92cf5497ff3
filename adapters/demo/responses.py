"""Responses: one object, or the events that build it up."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.demo import events, logprobs, responses_body
from adapters.demo.refusals import read
from adapters.demo.turn import Called, Said, speak

_LOGPROBS = "message.output_text.logprobs"

_Item = tuple[dict[str, Any], Sequence[str]]
"""An output item, and the pieces that its text or its arguments come in."""


def answer(body: bytes, model: str, *, stream: bool) -> bytes | Iterator[bytes]:
    """The whole response, or its events; raises UpstreamRefused before anything is said."""
    asked = read(responses_body.decoder, body)
    read_tokens = asked.prompt_tokens()
    said = speak(asked.turn())
    wanted = _LOGPROBS in (asked.include or ())
    items = _items(said, asked.top_logprobs or 0 if wanted else None)
    opened = _opened(asked, read(responses_body.echo_decoder, body), model)
    cut = said.finish == "length"
    closed = {
        **opened,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [item for item, _ in items],
        "completed_at": None if cut else int(time.time()),
        "usage": _usage(read_tokens, said),
    }
    return _events(opened, closed, items) if stream else events.plain(closed)


def _opened(asked: responses_body.Body, echo: responses_body.Echo, model: str) -> dict[str, Any]:
    """The response as it is before anything is said."""
    return {
        "id": events.fresh("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "metadata": asked.metadata or {},
        "model": model,
        "output": [],
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": echo.reasoning,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0 if asked.temperature is None else asked.temperature,
        "text": echo.text,
        "tool_choice": echo.tool_choice,
        "tools": echo.tools,
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": 1.0 if asked.top_p is None else asked.top_p,
        "truncation": "disabled",
        "usage": None,
    }


def _usage(read_tokens: int, said: Said) -> dict[str, Any]:
    return {
        "input_tokens": read_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said.tokens,
        "output_tokens_details": {"reasoning_tokens": len(said.thoughts)},
        "total_tokens": read_tokens + said.tokens,
    }


def _items(said: Said, top: int | None) -> Sequence[_Item]:
    status = "incomplete" if said.finish == "length" else "completed"
    items: list[_Item] = []
    if said.thoughts:
        part = {"type": "reasoning_text", "text": said.thought}
        reasoning = {
            "id": events.fresh("rs_"),
            "type": "reasoning",
            "summary": [],
            "content": [part],
            "status": "completed",
        }
        items.append((reasoning, said.thoughts))
    if said.calls:
        return [*items, *((_call(call, status), call.pieces) for call in said.calls)]
    text = {
        "type": "output_text",
        "text": said.text,
        "annotations": [],
        "logprobs": [] if top is None else logprobs.entries(said.pieces, top),
    }
    message = {
        "id": events.fresh("msg_"),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [text],
    }
    return [*items, (message, said.pieces)]


def _call(call: Called, status: str) -> dict[str, Any]:
    return {
        "id": events.fresh("fc_"),
        "type": "function_call",
        "status": status,
        "call_id": events.fresh("call_"),
        "name": call.name,
        "arguments": call.arguments,
    }


def _events(opened: Mapping[str, Any], closed: Mapping[str, Any], items: Sequence[_Item]) -> Iterator[bytes]:
    for number, event in enumerate(_bare_events(opened, closed, items)):
        yield events.named({**event, "sequence_number": number})


def _bare_events(
    opened: Mapping[str, Any], closed: Mapping[str, Any], items: Sequence[_Item]
) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": opened}
    yield {"type": "response.in_progress", "response": opened}
    for index, (item, pieces) in enumerate(items):
        yield from _item_events(index, item, pieces)
    yield {"type": f"response.{closed['status']}", "response": closed}


def _item_events(index: int, item: dict[str, Any], pieces: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One item: opened empty, filled piece by piece, and closed whole."""
    emptied: dict[str, Any] = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
    place = {"output_index": index, "item_id": item["id"]}
    yield {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {**item, **emptied, "status": "in_progress"},
    }
    if item["type"] == "function_call":
        yield from _argument_events(item, pieces, place)
    else:
        yield from _content_events(item["content"][0], pieces, {**place, "content_index": 0})
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _argument_events(
    item: Mapping[str, Any], pieces: Sequence[str], place: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for piece in pieces:
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    done = {"arguments": item["arguments"], "name": item["name"]}
    yield {"type": "response.function_call_arguments.done", **place, **done}


def _content_events(
    part: Mapping[str, Any], pieces: Sequence[str], place: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """A part's text; only what is said aloud has log probabilities."""
    kind = f"response.{part['type']}"
    likely = {"logprobs": part["logprobs"]} if "logprobs" in part else {}
    emptied = {name: list[Any]() for name in likely}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": "", **emptied}}
    for number, piece in enumerate(pieces):
        own = {name: entries[number : number + 1] for name, entries in likely.items()}
        yield {"type": f"{kind}.delta", **place, "delta": piece, **own}
    yield {"type": f"{kind}.done", **place, "text": part["text"], **likely}
    yield {"type": "response.content_part.done", **place, "part": part}
