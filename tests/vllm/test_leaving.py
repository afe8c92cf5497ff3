"""A client that leaves stops the engine's work for it."""

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest

from tests.vllm.asking import asked, chat

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


async def until(engine: httpx.AsyncClient, what: re.Pattern[str], holds: Callable[[float], bool]) -> None:
    end = asyncio.get_running_loop().time() + 20
    while not holds(await counted(engine, what)):
        assert asyncio.get_running_loop().time() < end, "it did not come about"
        await asyncio.sleep(0.02)


async def spent_on_leaving(client: httpx.AsyncClient, engine: httpx.AsyncClient, *, stream: bool) -> float:
    """The tokens generated for a client that left at the first of them, and for a short call after it."""
    before = await counted(engine, GENERATED)
    body = chat(max_tokens=LONG, ignore_eos=True, stream=stream)
    asking = asyncio.ensure_future(client.post("/v1/chat/completions", json=body))
    await until(engine, GENERATED, lambda tokens: tokens > before)

    asking.cancel()
    await asked(client, chat())  # the gauge may lag until there is something to do

    await until(engine, RUNNING, lambda calls: calls == 0)
    return await counted(engine, GENERATED) - before


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_engine(client, engine, stream):
    # So small a model can outrun vLLM's own event loop, which then sees nobody leave before the end: without
    # the gateway too, 4 times in 100 on two busy cores.
    for _ in range(5):
        if await spent_on_leaving(client, engine, stream=stream) < LONG:
            return
    pytest.fail("vLLM generated to the end each time")
