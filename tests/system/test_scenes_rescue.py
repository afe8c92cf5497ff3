"""Answers with codes that break: what the client reads, and what is asked so that they go on."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from scenes.codebook.adaptive import Adaptive
from scenes.forms import CODES
from tests.scenes.phrases import repeated
from tests.support.gateway import gateway_of
from tests.support.raw import raw_server, read_request
from tests.system.test_scenes import talk

AGAIN = repeated()
CODE, PHRASE = max(Adaptive().phrases(CODES.fold(AGAIN) or "").items())
HALF = len(CODE) // 2 + 1
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
ERROR = 'data: {"error":{"message":"gpu"}}\n\n'
URLS = {"openai": "url: {}", "vllm": "replicas: [{}]"}


def event(delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'x', 'choices': [choice]})}\n\n"


def ending(text: str) -> list[str]:
    return [event({"content": text}), event({}, "stop") + "data: [DONE]\n\n"]


@dataclass
class Script:
    """An upstream whose answers are these, one after another, each in pieces that come one by one."""

    answers: Sequence[Sequence[str]]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if request.startswith(b"GET"):
            writer.write(NOT_FOUND)
            await writer.drain()
            return
        self.asked.append(json.loads(request.partition(b"\r\n\r\n")[2]))
        writer.write(HEAD.encode())
        for piece in self.answers[len(self.asked) - 1]:
            writer.write(piece.encode())
            await writer.drain()
            await asyncio.sleep(0.1)  # so that each is read by itself


@asynccontextmanager
async def asked(
    script: Script, folder, *, kind: str = "openai", model: str = "", more: str = ""
) -> AsyncGenerator[str]:
    """The answer's body."""
    async with raw_server(script) as port:
        url = URLS[kind].format(f'"http://127.0.0.1:{port}/v1"')
        yaml = f"""
upstreams: {{raw: {{kind: {kind}, {url}}}}}
models: {{coded: {{upstream: raw, model: x, scenes: codebook{model}}}}}
{more}"""
        async with (
            gateway_of(yaml, folder) as served,
            httpx.AsyncClient(base_url=served.url, timeout=20) as client,
        ):
            body = {"model": "coded", "messages": talk(AGAIN), "stream": True}
            yield (await client.post("/v1/chat/completions", json=body)).text


def told(answer: str) -> str:
    chunks = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: {")]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize("end", [[ERROR], []], ids=["error", "cut"])
async def test_a_code_that_was_held_when_the_stream_broke_is_told_as_its_phrase(tmp_path, end):
    broken = [event({"content": "It was not "}), event({"content": f"that {CODE}"}), *end]
    script = Script([broken, ending(", but the disk.")])
    async with asked(script, tmp_path) as answer:
        assert told(answer) == f"It was not that {PHRASE}, but the disk."
    assert script.asked[1]["messages"][-2]["content"] == f"It was not that {PHRASE}"


async def test_half_a_code_is_neither_told_nor_gone_on_with(tmp_path):
    broken = [event({"content": "It says "}), event({"content": CODE[:HALF]})]
    script = Script([broken, ending(f"{CODE} is what failed.")])
    async with asked(script, tmp_path) as answer:
        assert told(answer) == f"It says {PHRASE} is what failed."
    assert script.asked[1]["messages"][-2]["content"] == "It says "


async def test_an_answer_goes_on_within_its_own_words_with_the_prompt_that_it_had(tmp_path):
    broken = [event({"content": f"It says {CODE}. "}), event({"content": "And "})]
    script = Script([broken, ending(f"{CODE} again.")])
    strict = "scenes: {strict: true}\n"
    async with asked(script, tmp_path, kind="vllm", more=strict) as answer:
        assert told(answer) == f"It says {PHRASE}. And {PHRASE} again."
    first, second = script.asked
    assert second["continue_final_message"] is True
    assert second["messages"] == [
        *first["messages"],
        {"role": "assistant", "content": f"It says {PHRASE}. And"},
    ]


async def test_a_break_that_nobody_goes_on_with_ends_with_an_error_and_no_half_of_a_code(tmp_path):
    script = Script([[event({"content": "It says "}), event({"content": CODE[:HALF]}), ERROR]])
    async with asked(script, tmp_path, model=", attempts: 1") as answer:
        assert told(answer) == "It says "
        assert '"error"' in answer
        assert "[DONE]" not in answer
