"""A client that leaves, at whatever moment, leaves nothing behind."""

import asyncio
import json
import math
import random
import re

import httpx
import pytest

from sim.server import Twin
from tests.support.gateway import Served, gateway_of, twin_configuration
from tests.support.raw import raw_server, read_request
from tests.support.waiting import eventually

RANDOM = 1000
MODELS = {
    "a stream": ("twin/x?chunks=1000&gap=0.02&first=0.02", True),
    "an answer that is not streamed": ("twin/x?first=30", False),
    "no answer yet": ("twin/x?head=30", True),
}


async def left_after(
    gateway: Served, body: dict, seconds: float, *, until: bytes = b"", identity: str = "left"
) -> float:
    """Ask over a bare socket, read until something came or time passed, and close; returns when that was."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"x-request-id: %b\r\ncontent-length: %d\r\n\r\n%b" % (identity.encode(), len(data), data)
    )
    if until:
        await asyncio.wait_for(reader.readuntil(until), 5)
    await asyncio.sleep(seconds)
    writer.transport.abort()
    return asyncio.get_running_loop().time()


async def measured(gateway: Served, name: str) -> float:
    """A number of the gateway's metrics; NaN where it is not told yet."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{gateway.url}/metrics")).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found is not None else math.nan


async def settled(gateway: Served, *, idle: int = 0) -> None:
    """Until the gauges say that nothing is answered and no other connection to the twin is open."""
    gauges = {"hyperbridge_requests_in_flight": 0, 'hyperbridge_upstream_connections{upstream="twin"}': idle}
    async with asyncio.timeout(5):  # they are set twice a second
        for name, number in gauges.items():
            while await measured(gateway, name) != number:  # noqa: ASYNC110 - it is asked over the network
                await asyncio.sleep(0.05)


def outcomes(gateway: Served) -> list[str]:
    return re.findall(r'"outcome":"(\w+)"', gateway.log_text())


@pytest.mark.parametrize(
    ("model", "stream", "until"),
    [
        ("twin/x?head=30", False, b""),
        ("twin/x?head=30", True, b""),
        ("twin/x?first=30", False, b""),
        ("twin/x?first=30", True, b""),
        ("twin/x?chunks=1000&gap=0.05", True, b"word2 "),
        ("twin/x?chunks=1000&stall=5", True, b"word4 "),
    ],
)
async def test_the_upstream_is_let_go_when_the_client_leaves(gateway, upstream, model, stream, until):
    twin: Twin = upstream[0]

    await left_after(gateway, {"model": model, "messages": [], "stream": stream}, 0.1, until=until)

    await eventually(lambda: twin.open_connections == 0, 0.5)
    assert twin.seen[-1].left is not None
    await eventually(lambda: outcomes(gateway) == ["client_left"])
    assert await measured(gateway, "hyperbridge_cancel_seconds_count") == 1
    await settled(gateway)


async def test_a_client_that_leaves_while_it_waits_for_a_connection_keeps_no_place(upstream, tmp_path):
    twin, url = upstream
    yaml = (
        f'upstreams: {{twin: {{kind: openai, url: "{url}", max_connections: 1, timeouts: {{connect: 20}}}}}}'
    )
    body = {"model": "twin/x?first=30", "messages": [], "stream": True}
    async with (
        gateway_of(yaml, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as http,
    ):
        holding = asyncio.ensure_future(http.post("/v1/chat/completions", json=body))
        await eventually(lambda: len(twin.seen) == 1)
        await left_after(gateway, body, 0.1)

        await eventually(lambda: outcomes(gateway) == ["client_left"])
        assert twin.seen[0].left is None
        holding.cancel()
        await eventually(lambda: outcomes(gateway) == ["client_left"] * 2)
        assert [seen.left is not None for seen in twin.seen] == [True]
        short = {"model": "twin/x", "messages": []}
        assert (await http.post("/v1/chat/completions", json=short)).is_success


async def test_a_client_that_leaves_in_the_pause_before_a_retry_is_not_retried(gateway, upstream):
    twin: Twin = upstream[0]
    body = {"model": "twin/x?status=503&retry_after=1", "messages": [], "stream": True}

    await left_after(gateway, body, 0.3)

    await eventually(lambda: outcomes(gateway) == ["client_left"])
    assert len(twin.seen) == 1
    assert twin.seen[0].finished
    assert await measured(gateway, "hyperbridge_cancel_seconds_count") == 0
    await settled(gateway, idle=1)


async def test_a_client_that_leaves_behind_a_large_request_is_seen(gateway, upstream):
    body = {"model": "twin/x?first=30", "messages": [{"role": "user", "content": "x" * 1_000_000}]}

    await left_after(gateway, body, 0.3)

    await eventually(lambda: outcomes(gateway) == ["client_left"])
    assert upstream[0].seen[-1].left is not None


async def test_a_client_that_closes_only_its_own_side_has_left(gateway, upstream):
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps({"model": "twin/x?first=30", "messages": []}).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(data)
    )
    writer.write(data)
    await eventually(lambda: len(upstream[0].seen) == 1)
    writer.write_eof()

    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await eventually(lambda: outcomes(gateway) == ["client_left"])


async def test_a_client_that_leaves_while_it_sends_its_request_reaches_no_upstream(gateway, upstream):
    host, port = gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"
        b'{"model": "words"'
    )
    await asyncio.sleep(0.1)
    writer.transport.abort()

    await eventually(lambda: outcomes(gateway) == ["client_left"])
    assert upstream[0].seen == []


@pytest.mark.usefixtures("frozen")
async def test_a_thousand_clients_that_leave_at_random_are_gone_from_the_upstream_in_a_tenth_of_a_second(
    gateway, upstream
):
    """Both moments are of the loop's clock. A request that has not reached the twin, and never does, counts as 0."""
    twin: Twin = upstream[0]
    chance = random.Random(3)
    turns = asyncio.Semaphore(12)
    left: dict[str, float] = {}

    async def leave(number: int) -> None:
        model, stream = chance.choice(list(MODELS.values()))
        body = {"model": model, "messages": [], "stream": stream}
        async with turns:
            left[str(number)] = await left_after(gateway, body, chance.uniform(0, 0.25), identity=str(number))

    await asyncio.gather(*map(leave, range(RANDOM)))
    await eventually(lambda: len(outcomes(gateway)) == RANDOM, 5)
    await eventually(lambda: twin.open_connections == 0, 5)

    assert outcomes(gateway) == ["client_left"] * RANDOM
    seconds = dict.fromkeys(left, 0.0)
    for seen in twin.seen:
        assert seen.over is not None
        assert not seen.ended
        identity = seen.headers["x-request-id"]
        seconds[identity] = max(seconds[identity], seen.over - left[identity])
    assert len(twin.seen) > 0.9 * RANDOM
    assert sorted(seconds.values())[RANDOM * 99 // 100 - 1] < 0.1
    await settled(gateway)


async def test_a_client_that_leaves_with_the_whole_answer_has_not_left(tmp_path):
    async def slow_to_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        events = b'data: {"choices":[{"delta":{"content":"all"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            b"%x\r\n%b\r\n" % (len(events), events)
        )
        await asyncio.sleep(0.3)
        writer.write(b"0\r\n\r\n")

    async with raw_server(slow_to_end) as port:
        url = f"http://127.0.0.1:{port}/v1"
        async with gateway_of(twin_configuration(url), tmp_path) as gateway:
            body = {"model": "words", "messages": [], "stream": True}
            await left_after(gateway, body, 0, until=b"[DONE]\n\n")
            await eventually(lambda: outcomes(gateway) == ["ok"])
