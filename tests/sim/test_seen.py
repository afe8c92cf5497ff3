"""What the twin tells of what it has seen: numbers and names, never what was said."""

import asyncio

import httpx
import pytest

from sim.server import Twin
from tests.sim.asking import CHAT, body
from tests.support.waiting import eventually


@pytest.fixture
async def account(upstream):
    async with httpx.AsyncClient(base_url=upstream[1].removesuffix("/v1"), timeout=10) as http:
        yield http


async def test_each_request_is_told_with_its_tokens(direct, account):
    await direct.post(CHAT, json=body("twin?chunks=5"))
    await direct.post(CHAT, json=body("twin?status=503"))

    told = (await account.get("/sim/seen")).json()

    assert (told["requests"], told["prompt_tokens"], told["sent_tokens"]) == (2, 6, 5)
    first, second = told["seen"]
    assert (first["number"], first["model"], first["path"]) == (1, "twin?chunks=5", "/v1/chat/completions")
    assert (first["status"], first["sent_tokens"], first["ended"], first["left"]) == (200, 5, True, False)
    assert (second["status"], second["sent_tokens"]) == (503, 0)
    assert second["duration_ms"] >= 0


async def test_nothing_that_was_said_is_told(direct, account):
    messages = [{"role": "user", "content": "the moon is made of green cheese"}]
    await direct.post(CHAT, json=body(messages=messages), headers={"authorization": "Bearer secret-key"})

    told = (await account.get("/sim/seen")).text

    assert "moon" not in told
    assert "secret-key" not in told
    assert "word" not in told


@pytest.mark.parametrize(("script", "sent"), [("head=60", 0), ("first=60", 0), ("stall=3", 3)])
async def test_a_client_that_leaves_is_told_with_when_it_left(upstream, direct, account, script, sent):
    twin = upstream[0]
    asking = asyncio.ensure_future(direct.post(CHAT, json=body(f"twin?{script}", stream=True)))
    await eventually(lambda: len(twin.seen) == 1 and twin.seen[0].sent_tokens == sent)
    asking.cancel()
    await eventually(lambda: twin.seen[0].left is not None)

    (told,) = (await account.get("/sim/seen")).json()["seen"]
    assert (told["left"], told["ended"], told["sent_tokens"]) == (True, False, sent)
    assert told["left_after_ms"] >= 0


async def test_everything_is_forgotten_on_demand(direct, account):
    await direct.post(CHAT, json=body())
    await account.post("/sim/forget")

    told = (await account.get("/sim/seen")).json()

    assert (told["requests"], told["seen"]) == (0, [])


async def test_the_last_requests_are_kept_up_to_a_bound():
    twin = Twin(keeps=3, keeps_bodies=False)
    port = await twin.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", timeout=10) as http:
        for _ in range(5):
            await http.post(CHAT, json=body())
        await eventually(lambda: twin.seen[-1].over is not None)
    await twin.stop()

    assert [(seen.number, seen.body) for seen in twin.seen] == [(3, b""), (4, b""), (5, b"")]


async def test_requests_that_come_early_are_answered_one_after_the_other(upstream):
    address = httpx.URL(upstream[1])
    reader, writer = await asyncio.open_connection(address.host, address.port)
    request = b'{"model": "twin?chunks=2&first=0.05&close=%d", "messages": []}'
    for close in (0, 1):
        sent = request % close
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(sent), sent)
        )

    assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 2
    assert [seen.ended for seen in upstream[0].seen] == [True, True]
    writer.close()
