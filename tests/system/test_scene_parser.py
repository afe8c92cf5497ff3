"""Scenes by a model: it is asked as the caller would ask it, and what it answers is numbers alone."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import gateway_of
from tests.support.raw import Handler, answering, raw_server

TURNS = [
    {"role": "user", "agent": "Ann", "text": "Where is order A-77? It costs 45 €."},
    {"role": "assistant", "agent": "Bob", "text": "It left on 2026-05-03. Do not call the carrier!"},
]
SAID = {"first": 1, "last": 4, "gist": 3, "tension": 1, "archetype": "report", "registers": [], "keep": [1]}

WHOLE: dict[str, object] = {
    "first": 1,
    "last": 400,
    "gist": 1,
    "tension": None,
    "archetype": None,
    "registers": [],
    "keep": [],
}


def http(content: str, status: str = "200 OK") -> bytes:
    body = json.dumps({"choices": [{"message": {"content": content}}], "usage": {"prompt_tokens": 9}})
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


@asynccontextmanager
async def answered_with(tmp_path: Path, answer: bytes) -> AsyncGenerator[httpx.AsyncClient]:
    """A gateway whose model gives this answer."""
    async with handled_by(tmp_path, answering(answer)) as client:
        yield client


@asynccontextmanager
async def handled_by(tmp_path: Path, handler: Handler) -> AsyncGenerator[httpx.AsyncClient]:
    """A gateway whose model is this server."""
    async with raw_server(handler) as port:
        yaml = f"""
upstreams: {{raw: {{kind: openai, url: "http://127.0.0.1:{port}/v1"}}}}
models: {{small: {{upstream: raw, model: x, retries: 0}}}}
store: {{url: "sqlite:///{tmp_path}/scenes.db"}}
"""
        async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
            yield client


async def ingested(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/v1/scenes", json={"session": "s", "turns": TURNS, "parser": "small"})


async def test_a_model_says_what_belongs_together_and_every_word_is_the_turns_own(tmp_path):
    async with answered_with(tmp_path, http(json.dumps({"scenes": [SAID]}))) as client:
        answer = await ingested(client)
        assert answer.json()["parsers"] == {"llm:small": 1}
        (line,) = (await client.get("/v1/scenes", params={"session": "s"})).text.splitlines()
    scene = json.loads(line)
    assert scene["gist"] == "It left on 2026-05-03."
    assert scene["tension"] == "Where is order A-77?"
    assert [fact["text"] for fact in scene["facts"] if fact.get("must_keep")] == ["A-77", "not"]


@pytest.mark.parametrize("said", ["It left in June.", json.dumps({"scenes": [SAID | {"last": 9}]})])
async def test_rules_stand_in_where_what_it_says_does_not_fit(tmp_path, said):
    async with answered_with(tmp_path, http(said)) as client:
        answer = await ingested(client)
        assert answer.status_code == 200
        assert set(answer.json()["parsers"]) == {"rules@1"}
        assert "June" not in (await client.get("/v1/scenes", params={"session": "s"})).text


async def test_a_model_that_fails_is_told_and_nothing_is_kept(tmp_path):
    async with answered_with(tmp_path, http("", "500 Internal Server Error")) as client:
        answer = await ingested(client)
        assert answer.status_code == 502
        assert not (await client.get("/v1/scenes", params={"session": "s"})).text


async def test_a_text_for_which_a_model_would_be_asked_again_and_again_is_refused_with_the_bound(tmp_path):
    async with answered_with(tmp_path, b"") as client:
        body = {"session": "s", "document": {"text": "a.\n" * 20_000}, "parser": "small"}
        answer = await client.post("/v1/scenes", json=body)
    assert answer.status_code == 400
    assert "8,000 sentences" in answer.json()["error"]["message"]


async def test_what_a_model_said_before_it_failed_is_kept_and_rules_make_the_rest(tmp_path):
    answers = [b"", http("", "500 Internal Server Error"), http(json.dumps({"scenes": [WHOLE]}))]

    async def failing_later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(answers.pop() if len(answers) > 1 else answers[0])(reader, writer)

    async with handled_by(tmp_path, failing_later) as client:
        body = {"session": "s", "document": {"text": "a.\n" * 800}, "parser": "small"}
        answer = await client.post("/v1/scenes", json=body)
    assert answer.status_code == 200, answer.text
    parsers = answer.json()["parsers"]
    assert parsers["llm:small"] == 1
    assert parsers["rules@1"] >= 1


async def test_a_model_that_is_not_there_is_named(tmp_path):
    async with answered_with(tmp_path, b"") as client:
        body = {"session": "s", "turns": TURNS, "parser": "nobody"}
        answer = await client.post("/v1/scenes", json=body)
    assert answer.status_code == 404
    assert "nobody" in answer.json()["error"]["message"]
