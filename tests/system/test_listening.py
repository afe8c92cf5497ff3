"""What reaches the gateway below HTTP: heads without end, bytes that are no request, small packets."""

import asyncio
import json

import pytest

from app.server import MAX_HEAD_BYTES


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
