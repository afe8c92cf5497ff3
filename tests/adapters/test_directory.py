import asyncio
from contextlib import asynccontextmanager

import pytest

from adapters.directory import Directory
from app.contracts import ModelCard
from app.errors import UpstreamBroken, UpstreamRefused, UpstreamTimeout
from tests.support.raw import raw_server


@asynccontextmanager
async def directory_of(answer: bytes, *, pause: float = 0.0):
    """A directory whose server sends these bytes, one by one where there is a pause."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        step = 1 if pause else len(answer)
        for start in range(0, len(answer), step):
            writer.write(answer[start : start + step])
            await writer.drain()
            await asyncio.sleep(pause)

    async with raw_server(send) as port:
        directory = Directory(f"http://127.0.0.1:{port}/v1", {}, None)
        try:
            yield directory
        finally:
            await directory.close()


def listing(body: bytes, *headers: bytes, status: int = 200) -> bytes:
    lines = [b"HTTP/1.1 %d X" % status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


async def test_entries_that_are_not_understood_do_not_hide_the_others():
    body = b'{"data":[{"id":7},{"id":"a","max_model_len":"long","parent":[]},{"id":"b","context_length":9}]}'
    async with directory_of(listing(body)) as directory:
        assert await directory.cards() == [ModelCard("a"), ModelCard("b", context_tokens=9)]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"data":1}', b"\xff", b"[" * 100_000])
async def test_what_is_no_list_is_a_broken_upstream(body):
    async with directory_of(listing(body)) as directory:
        with pytest.raises(UpstreamBroken):
            await directory.cards()


async def test_odd_headers_of_a_refusal_pass():
    async with directory_of(listing(b"no", "x-note: \u20ac".encode(), status=418)) as directory:
        with pytest.raises(UpstreamRefused):
            await directory.cards()


async def test_a_server_that_trickles_is_held_to_the_whole_time():
    async with directory_of(listing(b'{"data":[]}'), pause=0.05) as directory:
        with pytest.raises(UpstreamTimeout):
            await directory.request("GET", "models", seconds=0.3)
