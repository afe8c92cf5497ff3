"""A client that leaves stops the engine's work for it."""

import asyncio
import re

import httpx
import pytest

from tests.vllm.asking import chat

RUNNING = re.compile(r"^vllm:num_requests_running\{[^}]*\} (\S+)", re.MULTILINE)
GENERATED = re.compile(r"^vllm:generation_tokens_total\{[^}]*\} (\S+)", re.MULTILINE)
LONG = 900


@pytest.fixture
async def engine(vllm):
    async with httpx.AsyncClient(base_url=vllm.url) as http:
        yield http


async def counted(engine: httpx.AsyncClient, what: re.Pattern[str]) -> float:
    found = what.search((await engine.get("/metrics")).text)
    assert found is not None
    return float(found[1])


async def until(engine: httpx.AsyncClient, what: re.Pattern[str], value: float) -> None:
    end = asyncio.get_running_loop().time() + 10
    while await counted(engine, what) != value:
        assert asyncio.get_running_loop().time() < end, "it did not come about"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_engine(client, engine, stream):
    before = await counted(engine, GENERATED)
    asking = asyncio.ensure_future(
        client.post("/v1/chat/completions", json=chat(max_tokens=LONG, ignore_eos=True, stream=stream))
    )
    await until(engine, RUNNING, 1)

    asking.cancel()

    await until(engine, RUNNING, 0)
    assert await counted(engine, GENERATED) < before + LONG
