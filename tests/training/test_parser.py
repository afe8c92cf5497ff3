"""Scenes by a model, asked through a real gateway."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scenes.scene import Scene
from tests.support.gateway import gateway_of
from tests.support.raw import raw_server, read_request
from training.corpus.document import Document
from training.parser import ANSWERS, Parser
from training.recipe import ByModel
from training.steps import Figures
from training.wrong import Wrong

TEXT = "The desk waits. Will it break? Nobody knows. Copper fell to 4.468."
GOOD = {
    "scenes": [
        {
            "first": 1,
            "last": 2,
            "gist": 1,
            "tension": 2,
            "archetype": "threshold",
            "registers": ["emotion"],
            "keep": [],
        },
        {
            "first": 3,
            "last": 4,
            "gist": 4,
            "tension": None,
            "archetype": "report",
            "registers": [],
            "keep": [1],
        },
    ]
}
SHORT = {"scenes": [GOOD["scenes"][0]]}


def document(text: str = TEXT) -> Document:
    return Document(id=str(hash(text)), kind="text", language="en", licence="x", source="y", text=text)


@dataclass
class Model:
    """An upstream that answers with these, one after another, the last again and again; a number is a status."""

    answers: list[Any]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if request.startswith(b"GET"):
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
            return
        self.asked.append(json.loads(request.partition(b"\r\n\r\n")[2]))
        said = self.answers[min(len(self.asked), len(self.answers)) - 1]
        status = said if isinstance(said, int) else 200
        message = {"role": "assistant", "content": said if isinstance(said, str) else json.dumps(said)}
        body = {
            "id": "1", "object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }  # fmt: skip
        raw = json.dumps(body if status == 200 else {"error": {"message": "no", "code": "odd"}}).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\nconnection: close\r\n\r\n".encode()
            + raw
        )
        await writer.drain()


@asynccontextmanager
async def parsing(tmp_path: Path, *answers: Any) -> AsyncGenerator[tuple[Model, ByModel]]:
    """A model behind a gateway, and how to ask it."""
    model = Model([*answers])
    async with raw_server(model) as port:
        configuration = f"""
upstreams:
  one: {{kind: openai, url: "http://127.0.0.1:{port}/v1", price: {{input: 1.0, output: 2.0}}}}
models: {{parser: {{upstream: one, model: m, retries: 0}}}}
"""
        async with gateway_of(configuration, tmp_path) as gateway:
            yield model, ByModel(url=f"{gateway.url}/v1", model="parser")


def parsed(settings: ByModel, folder: Path) -> tuple[Sequence[Scene], Figures]:
    """The scenes, and what they took."""
    with Parser(settings, folder) as parser:
        return parser.scenes(document()), parser.figures


async def test_the_model_says_where_scenes_are_and_every_word_is_the_documents(tmp_path):
    async with parsing(tmp_path, GOOD) as (model, settings):
        (first, second), figures = await asyncio.to_thread(parsed, settings, tmp_path)
    assert (first.gist, first.tension, first.archetype, dict(first.registers)) == (
        "The desk waits.", "Will it break?", "threshold", {"emotion": 1.0}
    )  # fmt: skip
    assert (second.gist, second.parser, second.facts[0].must_keep) == (
        "Copper fell to 4.468.",
        "llm:parser",
        True,
    )
    assert model.asked[0]["response_format"]["type"] == "json_schema"
    assert figures == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "parts_by_rules": 0,
        "cost_usd": pytest.approx(140e-6),
    }


async def test_an_answer_that_does_not_fit_is_asked_for_again(tmp_path):
    async with parsing(tmp_path, "no json", SHORT, GOOD) as (model, settings):
        scenes, _ = await asyncio.to_thread(parsed, settings, tmp_path)
    assert len(model.asked) == 3
    assert scenes[0].parser == "llm:parser"


async def test_rules_stand_in_after_the_last_attempt(tmp_path):
    async with parsing(tmp_path, SHORT) as (model, settings):
        scenes, figures = await asyncio.to_thread(parsed, settings, tmp_path)
    assert len(model.asked) == 3
    assert {scene.parser for scene in scenes} == {"rules@1"}
    assert figures["parts_by_rules"] == 1
    assert figures["prompt_tokens"] == 300


async def test_what_was_answered_before_is_not_asked_again(tmp_path):
    async with parsing(tmp_path, GOOD) as (model, settings):
        await asyncio.to_thread(parsed, settings, tmp_path)
        with (tmp_path / ANSWERS).open("ab") as file:
            file.write(b'{"document": "cut o')
        again, _ = await asyncio.to_thread(parsed, settings, tmp_path)
    assert len(model.asked) == 1
    assert again[0].archetype == "threshold"


async def test_a_gateway_that_refuses_is_told_by_its_code(tmp_path):
    async with parsing(tmp_path, GOOD) as (_, settings):
        wrong = settings.model_copy(update={"model": "unknown"})
        with pytest.raises(Wrong, match="answers 404: model_not_found"):
            await asyncio.to_thread(parsed, wrong, tmp_path)


async def test_a_model_that_is_away_for_a_moment_is_asked_again(tmp_path):
    async with parsing(tmp_path, 503, GOOD) as (model, settings):
        scenes, _ = await asyncio.to_thread(parsed, settings, tmp_path)
    assert len(model.asked) == 2
    assert scenes[0].archetype == "threshold"
