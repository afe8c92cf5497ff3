"""Answers as OpenAI writes them: whole, or as the events of a stream."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import orjson

from sim import refusals
from sim.script import Script
from sim.words import Task

CONTENT = "content"
ARGUMENTS = "arguments"


@dataclass(frozen=True, slots=True)
class Part:
    """One token: of the text, of a thought, or of a tool call's arguments."""

    member: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """The data of one event, and how many tokens it holds; `opening` is what comes without a wait."""

    data: bytes
    tokens: int = 0
    opening: bool = False


@dataclass(frozen=True, slots=True)
class Speech:
    """One answer: what is asked, how it is scripted, and what its envelope says besides."""

    path: str
    request: Mapping[str, Any]
    script: Script
    task: Task
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chat(self) -> bool:
        return self.path.endswith("/chat/completions") or not self.path.endswith("/completions")

    def parts(self) -> Iterator[Part]:
        """The tokens of the answer, as many as may be sent."""
        thoughts = (Part(self._thought, f"thought{number} ") for number in range(self.script.reasoning))
        said = self._arguments() if self.script.tool else (Part(CONTENT, text) for text in self.task.text())
        return islice(chain(thoughts, said), self._most())

    @property
    def _thought(self) -> str:
        """What a thought is called."""
        return self.script.thoughts or ("reasoning" if self.script.dialect == "vllm" else "reasoning_content")

    def _arguments(self) -> Iterator[Part]:
        pieces = list(self.task.text())
        for number, piece in enumerate(pieces):
            before = '{"words": "' if number == 0 else ""
            after = '"}' if number == len(pieces) - 1 else ""
            yield Part(ARGUMENTS, before + piece + after)

    def _most(self) -> int:
        whole = self.script.reasoning + max(0, self.task.last - self.task.place.number)
        bounds = [whole, self.script.filter if self.script.filter >= 0 else whole]
        return min(bounds if self.task.limit is None else [*bounds, self.task.limit])

    def reason(self) -> str:
        """Why the answer ends where it does."""
        whole = self.script.reasoning + max(0, self.task.last - self.task.place.number)
        if self._most() == self.script.filter:
            return "content_filter"
        if self._most() < whole:
            return "length"
        return "tool_calls" if self.script.tool else "stop"

    def usage(self, tokens: int) -> dict[str, Any]:
        used: dict[str, Any] = {
            "prompt_tokens": self.task.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": self.task.prompt_tokens + tokens,
        }
        if self.script.reasoning:
            used["completion_tokens_details"] = {"reasoning_tokens": min(tokens, self.script.reasoning)}
        return used

    def plain(self) -> tuple[bytes, int]:
        """The whole answer, and how many tokens it holds."""
        if self.path.endswith("/embeddings"):
            entry = {"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}
            return self._whole({"object": "list", "data": [entry], "model": self.request.get("model")}, 0)
        parts = list(self.parts())
        if not self.path.endswith("/completions"):
            body: dict[str, Any] = {
                "id": "twin",
                "path": self.path,
                "model": self.request.get("model"),
                "choices": [],
            }
            return self._whole(body, len(parts))
        reason = self.reason() if self.script.finish else None
        said = {"message": self._message(parts)} if self.chat else {"text": _joined(parts, CONTENT)}
        kind = "chat.completion" if self.chat else "text_completion"
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": reason}
        return self._whole(self._envelope(kind) | {"choices": [choice]}, len(parts))

    def _whole(self, body: Mapping[str, Any], tokens: int) -> tuple[bytes, int]:
        return orjson.dumps({**body, "usage": self.usage(tokens)}) + b" " * self.script.pad, tokens

    def _message(self, parts: list[Part]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", CONTENT: _joined(parts, CONTENT)}
        if self.script.reasoning:
            message[self._thought] = _joined(parts, self._thought)
        if self.script.tool:
            call = self._call(_joined(parts, ARGUMENTS), first=True)
            message |= {CONTENT: None, "tool_calls": [call]}
        return message

    def events(self) -> Iterator[Step]:
        """The events of the stream, without what the script leaves out or breaks."""
        always = self.script.usage == "always"
        if self.chat:
            role = {"role": "assistant", CONTENT: ""}
            yield Step(self._chunk({"delta": role}, 0 if always else None), opening=True)
        sent = 0
        for number, part in enumerate(self.parts()):
            if number == self.script.error:
                yield Step(refusals.event(self.script))
                return
            if number == self.script.malformed:
                yield Step(b'{"choices": [{"delta": {"content": "wor')
                continue
            sent += 1
            yield Step(self._chunk(self._said(part, number), sent if always else None), tokens=1)
        yield from map(Step, self._end(sent))

    def _end(self, sent: int) -> Iterator[bytes]:
        if self.script.finish:
            yield self._chunk({"delta": {}} if self.chat else {"text": ""}, finish=self.reason())
        options = self.request.get("stream_options")
        asked = isinstance(options, dict) and options.get("include_usage")
        if asked and self.script.usage != "never":
            yield orjson.dumps(self._envelope(self._kind) | {"choices": [], "usage": self.usage(sent)})
        if self.script.done:
            yield b"[DONE]"

    def _said(self, part: Part, number: int) -> dict[str, Any]:
        if part.member == ARGUMENTS:
            call = self._call(part.text, first=number == self.script.reasoning)
            return {"delta": {"tool_calls": [{"index": 0, **call}]}}
        return {"delta": {part.member: part.text}} if self.chat else {"text": part.text}

    def _call(self, arguments: str, *, first: bool) -> dict[str, Any]:
        if not first:
            return {"function": {ARGUMENTS: arguments}}
        function = {"name": _tool(self.request.get("tools")), ARGUMENTS: arguments}
        return {"id": "call_twin", "type": "function", "function": function}

    def _chunk(self, said: Mapping[str, Any], tokens: int | None = None, finish: str | None = None) -> bytes:
        choice = {"index": 0, **said, "finish_reason": finish}
        body = self._envelope(self._kind) | {"choices": [choice]}
        return orjson.dumps(body if tokens is None else body | {"usage": self.usage(tokens)})

    @property
    def _kind(self) -> str:
        return "chat.completion.chunk" if self.chat else "text_completion"

    def _envelope(self, kind: str) -> dict[str, Any]:
        name = "chatcmpl-twin" if self.chat else "cmpl-twin"
        model = self.request.get("model")
        return {"id": name, "object": kind, "created": 1700000000, "model": model, **self.more}


def _tool(tools: object) -> str:
    """The name of the first tool on offer."""
    match tools:
        case [{"function": {"name": str(name)}}, *_]:
            return name
    return "twin"


def _joined(parts: list[Part], member: str) -> str:
    return "".join(part.text for part in parts if part.member.startswith(member))
