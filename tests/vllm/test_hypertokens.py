"""A real vLLM whose tokenizer has tokens for whole texts: prompts get as much shorter as was said, and answers are in words."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenes.hypertokens import Hypertoken, Hypertokens
from tests.support.gateway import gateway_of
from tests.vllm.server import Server
from tests.vllm.tiny_texts import HYPERTOKEN

TEXT = "bado gili mura. The desk waits below the level, and nobody wants to be the first."


async def tokens_of(vllm: Server, text: str) -> list[int]:
    async with httpx.AsyncClient(base_url=vllm.url, timeout=60) as client:
        body = {"model": "base", "prompt": text, "add_special_tokens": False}
        found: list[int] = (await client.post("/tokenize", json=body)).json()["tokens"]
        return found


@pytest.fixture
async def book(vllm: Server) -> Hypertokens:
    [token] = await tokens_of(vllm, HYPERTOKEN)
    entry = Hypertoken(HYPERTOKEN, token, TEXT, tokens=len(await tokens_of(vllm, TEXT)))
    return Hypertokens("desk", 1, "0" * 64, (entry,))


@pytest.fixture
async def client(vllm: Server, book: Hypertokens, tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    (tmp_path / "desk.json").write_bytes(book.to_json())
    yaml = f"""
upstreams:
  local: {{kind: vllm, replicas: ["{vllm.url}/v1"]}}
models:
  desk: {{upstream: local, model: base, hypertokens: desk, defaults: {{max_tokens: 3}}}}
scenes: {{hypertokens: {{desk: desk.json}}}}
"""
    async with (
        gateway_of(yaml, tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, timeout=120) as opened,
    ):
        yield opened


async def chat(client: httpx.AsyncClient, layer: str, **members: Any) -> dict[str, Any]:
    body = {"model": "desk", "messages": [{"role": "user", "content": f"{TEXT}\n{TEXT}\nbado?"}], **members}
    answer = await client.post("/v1/chat/completions", json=body, headers={"x-hyperbridge-scenes": layer})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_prompt_is_shorter_by_the_tokens_that_were_said_to_be_saved(client):
    plain, short = await chat(client, "off"), await chat(client, "hyper")
    saved = plain["usage"]["prompt_tokens"] - short["usage"]["prompt_tokens"]
    assert saved > 20
    assert short["hyperbridge"]["scenes"]["saved_tokens"] == saved
    assert short["hyperbridge"]["scenes"]["tokens_before"] == plain["usage"]["prompt_tokens"]


@pytest.mark.parametrize("layer", ["off", "hyper"])
async def test_a_token_that_the_model_says_comes_as_its_text(client, book, layer):
    told = await chat(client, layer, logit_bias={str(book.entries[0].id): 100}, temperature=0)
    assert told["usage"]["completion_tokens"] == 3
    assert told["choices"][0]["message"]["content"] == TEXT * 3
