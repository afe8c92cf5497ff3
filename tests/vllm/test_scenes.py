"""Scenes in front of a real vLLM: fewer tokens reach it, and its prefix cache finds the beginning of each prompt again."""

import re
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.support.gateway import gateway_of

CHAT = "/v1/chat/completions"
BLOCK = 128
"""Tokens that vLLM's cache on the CPU holds together."""


def result(number: int) -> str:
    """What a tool gave back: a table in JSON, of some 430 characters, each of which is about a token here."""
    rows = [{"id": 10 * number + n, "state": "ready", "owner": "shop", "size": 7 * n} for n in range(7)]
    return str(rows).replace("'", '"')


def conversation(turns: int) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": "system", "content": "Be brief. " * 5}]
    for number in range(turns):
        said.append({"role": "user", "content": f"Look at {number}."})
        said.append({"role": "tool", "tool_call_id": f"c{number}", "content": result(number)})
    return said


@pytest.fixture
async def client(vllm, tmp_path) -> AsyncGenerator[httpx.AsyncClient]:
    yaml = f"""
upstreams:
  local: {{kind: vllm, replicas: ["{vllm.url}/v1"]}}
models:
  plain: {{upstream: local, model: base, scenes: "off", defaults: {{max_tokens: 1}}}}
  short: {{upstream: local, model: base, scenes: codebook, defaults: {{max_tokens: 1}}}}
"""
    async with (
        gateway_of(yaml, tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as opened,
    ):
        yield opened


async def cache(url: str) -> int:
    """Tokens that vLLM has found in its prefix cache so far."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{url}/metrics")).text
    (hits,) = re.findall(r"^vllm:prefix_cache_hits_total\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return int(float(hits))


async def asked(client: httpx.AsyncClient, url: str, model: str) -> list[tuple[int, int]]:
    """For each turn of a conversation the tokens of its prompt, and those that were found in the cache."""
    turns: list[tuple[int, int]] = []
    for count in range(1, 3):
        before = await cache(url)
        answer = await client.post(CHAT, json={"model": model, "messages": conversation(count)})
        assert answer.status_code == 200, answer.text
        turns.append((answer.json()["usage"]["prompt_tokens"], await cache(url) - before))
    return turns


async def test_a_conversation_has_fewer_tokens_and_is_found_in_the_prefix_cache_in_each_turn(client, vllm):
    plain = await asked(client, vllm.url, "plain")
    short = await asked(client, vllm.url, "short")

    assert sum(tokens for tokens, _ in short) < 0.8 * sum(tokens for tokens, _ in plain)
    for turns in (plain, short):
        for (before, _), (_, found) in pairwise(turns):
            assert found >= (before - 32) // BLOCK * BLOCK > 0  # all whole blocks but what ends the prompt
