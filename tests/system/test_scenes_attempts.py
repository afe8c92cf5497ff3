"""Codes where a call has several attempts: each is decoded by what it was asked with, and no other."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.gateway import gateway_of
from tests.support.raw import raw_server, read_request
from tests.support.waiting import eventually
from tests.system.test_scenes import talk
from tests.system.test_scenes_rescue import (
    AGAIN,
    CODE,
    ERROR,
    HALF,
    HEAD,
    NOT_FOUND,
    PHRASE,
    ending,
    event,
    told,
)

CODED = "coded: {upstream: raw, model: x, scenes: codebook, retries: 0"


@dataclass
class ByModel:
    """An upstream whose answers are these by the model that is asked, each in pieces; a number is a pause in seconds."""

    answers: Mapping[str, Sequence[str | float]]
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if request.startswith(b"GET"):
            writer.write(NOT_FOUND)
            await writer.drain()
            return
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        self.asked[body["model"]] = body
        pieces = self.answers[body["model"]]
        if not isinstance(pieces[0], str):
            await asyncio.sleep(pieces[0])
        writer.write(HEAD.encode())
        for piece in pieces:
            if isinstance(piece, str):
                writer.write(piece.encode())
                await writer.drain()
                await asyncio.sleep(0.05)  # so that each is read by itself


@asynccontextmanager
async def asking(script: ByModel, folder, models: str, model: str = "coded") -> AsyncGenerator[str]:
    """The answer's body."""
    async with raw_server(script) as port:
        yaml = f"""
upstreams: {{raw: {{kind: openai, url: "http://127.0.0.1:{port}/v1"}}}}
models: {{{models}}}
store: {{url: "sqlite:///shadows.db", flush_seconds: 0.05}}
"""
        async with (
            gateway_of(yaml, folder) as served,
            httpx.AsyncClient(base_url=served.url, timeout=20) as client,
        ):
            body = {"model": model, "messages": talk(AGAIN), "stream": True}
            yield (await client.post("/v1/chat/completions", json=body)).text


@pytest.mark.parametrize("layer", ["off", "safe"])
async def test_a_fallback_without_codes_goes_on_with_what_the_client_read_and_is_asked_in_words(
    tmp_path, layer
):
    script = ByModel({
        "x": [event({"content": f"It says {CODE}. "}), event({"content": CODE[:HALF]}), ERROR],
        "y": ending(f"And {CODE} too."),
    })
    models = f"{CODED}, fallbacks: [other]}}, other: {{upstream: raw, model: y, scenes: {layer}}}"
    async with asking(script, tmp_path, models) as answer:
        assert told(answer) == f"It says {PHRASE}. And {CODE} too."  # it has no codes: it means these letters
    assert CODE in json.dumps(script.asked["x"], ensure_ascii=False)
    assert CODE not in json.dumps(script.asked["y"], ensure_ascii=False)
    assert script.asked["y"]["messages"][-2]["content"] == f"It says {PHRASE}. "


@pytest.mark.parametrize("wins", ["coded", "plain"])
async def test_of_two_attempts_at_once_the_one_that_answers_is_read_by_its_own_prompt(tmp_path, wins):
    said = {"x": ending(f"It says {CODE}."), "y": ending(f"It says {CODE}.")}
    slow = "y" if wins == "coded" else "x"
    script = ByModel({**said, slow: [3.0 if wins == "plain" else 1.5, *said[slow]]})
    if wins == "coded":
        script.answers = {**said, "x": [0.4, *said["x"]], "y": [1.5, *said["y"]]}
    hedge = "hedge: {share: 1, after_seconds: 0.1}"
    models = f"{CODED}, {hedge}, fallbacks: [other]}}, other: {{upstream: raw, model: y, scenes: off}}"
    async with asking(script, tmp_path, models) as answer:
        assert told(answer) == ("It says " + (PHRASE if wins == "coded" else CODE) + ".")
    assert set(script.asked) == {"x", "y"}


async def test_a_shadow_with_codes_is_compared_in_words(tmp_path):
    script = ByModel({"y": ending(f"It says {PHRASE}."), "x": ending(f"It says {CODE}.")})
    models = f"{CODED}}}, other: {{upstream: raw, model: y, scenes: off, shadow: {{to: coded, share: 1}}}}"

    def compared() -> list[float]:
        with sqlite3.connect(tmp_path / "shadows.db") as database:
            return [row[0] for row in database.execute("SELECT similarity FROM shadows")]

    async with asking(script, tmp_path, models, "other") as answer:
        assert told(answer) == f"It says {PHRASE}."
        await eventually(lambda: compared() == [1.0], 10)
