"""What reaches the gateway below HTTP: heads without end, bytes that are no request, small packets."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from app.protocol import MAX_HEAD_BYTES
from tests.support.gateway import gateway_of, twin_configuration
from tests.support.waiting import eventually


async def answer_to(url: str, *pieces: bytes) -> tuple[bytes, dict]:
    """The status line and the error of the answer to these bytes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    assert b"x-request-id: " in head
    return head.split(b"\r\n")[0], json.loads(body)["error"]


async def test_a_head_without_end_is_refused_before_it_fills_the_memory(gateway):
    line = b"x-filler: " + b"x" * 1000 + b"\r\n"

    status, error = await answer_to(
        gateway.url, b"GET /livez HTTP/1.1\r\n", *[line] * (MAX_HEAD_BYTES // len(line) + 1)
    )

    assert status.startswith(b"HTTP/1.1 431")
    assert error["code"] == "headers_too_large"


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"]
)
async def test_what_is_not_http_gets_an_error_object(gateway, sent):
    status, error = await answer_to(gateway.url, sent)

    assert status.startswith(b"HTTP/1.1 400")
    assert error["message"] == "This is not an HTTP/1.1 request."


async def test_a_large_body_in_small_pieces_is_no_large_head(client):
    body = json.dumps({"model": "words", "messages": [{"role": "user", "content": "x" * 500_000}]}).encode()

    async def pieces():
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    answer = await client.post(
        "/v1/chat/completions", content=pieces(), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 200
    assert (await client.get("/livez")).status_code == 200


def posted(body: dict, *headers: bytes, length: int | None = None) -> bytes:
    """A chat request as bytes."""
    data = json.dumps(body).encode()
    lines = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"host: localhost",
        b"content-type: application/json",
        *headers,
    ]
    declared = b"content-length: %d" % (len(data) if length is None else length)
    return b"\r\n".join([*lines, declared, b"", data])


@asynccontextmanager
async def connected(url: str):
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.fixture
async def impatient(upstream, tmp_path):
    yaml = twin_configuration(upstream[1], "server: {client_gap_seconds: 0.4}")
    async with gateway_of(yaml, tmp_path) as running:
        yield running


async def test_an_offer_of_http_2_is_passed_over_and_the_body_read(gateway, upstream):
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAA")

    async with connected(gateway.url) as (reader, writer):
        writer.write(posted({"model": "words", "messages": []}, *offer))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    assert head.startswith(b"HTTP/1.1 200")
    assert upstream[0].seen[-1].json()["messages"] == []


async def test_a_request_behind_an_unanswered_one_is_left_and_the_client_may_leave(gateway, upstream):
    slow = posted({"model": "twin/x?chunks=500&gap=0.02", "messages": [], "stream": True})

    async with connected(gateway.url) as (reader, writer):
        writer.write(slow + posted({"model": "words", "messages": []}))
        await asyncio.wait_for(reader.readuntil(b"word3"), 5)

    await eventually(lambda: '"outcome":"client_left"' in gateway.log_text())
    assert upstream[0].open_connections == 0
    assert len(upstream[0].seen) == 1


async def test_behind_an_answer_that_was_overtaken_the_connection_is_closed(gateway):
    async with connected(gateway.url) as (reader, writer):
        writer.write(posted({"model": "words", "messages": []}) * 2)
        answer = await asyncio.wait_for(reader.read(), 5)

    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer


async def test_bytes_that_are_no_request_do_not_stand_in_a_running_answer(gateway):
    async with connected(gateway.url) as (reader, writer):
        body = {"model": "twin/x?chunks=500&gap=0.02", "messages": [], "stream": True}
        writer.write(posted(body))
        await asyncio.wait_for(reader.readuntil(b"word3"), 5)
        writer.write(b"nonsense\r\n\r\n")
        rest = await asyncio.wait_for(reader.read(), 5)

    assert b"HTTP/1.1" not in rest


async def test_trailers_are_no_headers(gateway):
    body = json.dumps({"model": "words", "messages": []}).encode()
    chunked = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nhost: evil.example\r\nx-request-id: trailer\r\n\r\n"
    ) % (len(body), body)

    async with connected(gateway.url) as (reader, writer):
        writer.write(chunked)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    assert head.startswith(b"HTTP/1.1 200")
    assert b"trailer" not in head


async def test_a_client_that_does_not_read_is_left_and_its_upstream_let_go(impatient, upstream):
    body = {"model": "twin/x?chunks=2000&pad=20000", "messages": [], "stream": True}

    async with connected(impatient.url) as (_, writer):
        writer.write(posted(body))
        await eventually(lambda: '"outcome":"client_left"' in impatient.log_text(), 5)

    assert upstream[0].open_connections == 0


@pytest.mark.parametrize("sent", [b"POST /v1/chat/comp", posted({"model": "words"}, length=1000)])
async def test_a_request_that_does_not_go_on_is_told_so(impatient, sent):
    status, error = await answer_to(impatient.url, sent)

    assert status.startswith(b"HTTP/1.1 408")
    assert error["code"] == "request_timeout"


async def test_a_connection_without_a_request_is_closed(impatient):
    async with connected(impatient.url) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 5) == b""
