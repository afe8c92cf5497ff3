"""Asking a twin directly."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import orjson

CHAT = "/chat/completions"
ASKED = ({"role": "user", "content": "Count for me."},)
GO_ON = {"role": "user", "content": "Go on exactly where your text ends."}


def body(model: str = "twin", messages: Sequence[Mapping[str, Any]] = ASKED, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": list(messages), **more}


def chunks(answer: httpx.Response) -> list[Any]:
    """The events of a stream, but [DONE]."""
    data = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return [orjson.loads(each) for each in data if each != "[DONE]"]


def pieces(answer: httpx.Response, member: str = "content") -> list[Any]:
    """What the chunks of a stream hold of this member, one by one."""
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(answer) if chunk.get("choices")]
    return [delta[member] for delta in deltas if delta.get(member)]


def said(answer: httpx.Response) -> str:
    """The text of a whole answer."""
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def finish(answer: httpx.Response) -> Any:
    return [chunk["choices"][0]["finish_reason"] for chunk in chunks(answer) if chunk["choices"]][-1]
