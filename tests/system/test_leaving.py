"""A client that leaves, at whatever moment, leaves nothing behind."""

import asyncio
import json

import pytest

from sim.server import Twin
from tests.support.gateway import Served, gateway_of, twin_configuration
from tests.support.raw import raw_server, read_request
from tests.support.waiting import eventually


async def left_after(gateway: Served, body: dict, seconds: float, *, until: bytes = b"") -> None:
    """Ask over a bare socket, read until something came or time passed, and close."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(data), data)
    )
    if until:
        await asyncio.wait_for(reader.readuntil(until), 5)
    await asyncio.sleep(seconds)
    writer.transport.abort()


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
    await eventually(lambda: '"outcome":"client_left"' in gateway.log_text())


async def test_a_client_that_leaves_while_it_sends_its_request_reaches_no_upstream(gateway, upstream):
    host, port = gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"
        b'{"model": "words"'
    )
    await asyncio.sleep(0.1)
    writer.transport.abort()

    await eventually(lambda: '"outcome":"client_left"' in gateway.log_text())
    assert upstream[0].seen == []


async def test_a_hundred_clients_that_leave_at_random_leave_no_connection_open(gateway, upstream):
    body = {"model": "twin/x?first=0.05&chunks=200&gap=0.01", "messages": [], "stream": True}

    await asyncio.gather(*(left_after(gateway, body, number * 0.004) for number in range(100)))

    await eventually(lambda: upstream[0].open_connections == 0, 2)
    await eventually(lambda: gateway.log_text().count('"event":"exchange"') == 100, 2)


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
            await eventually(lambda: '"event":"exchange"' in gateway.log_text())
            assert '"outcome":"ok"' in gateway.log_text()
