"""Connections as they are made: encrypted where the URL says so, and without Nagle's delay."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from adapters.pool import Origin, Pool, trust
from app.errors import UpstreamUnavailable
from tests.support.gateway import gateway_of
from tests.support.waiting import answered, eventually

PLAIN = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 38\r\n\r\n"
    b'{"choices":[{"finish_reason":"stop"}]}'
)


@pytest.fixture
def authority(tmp_path) -> tuple[trustme.CA, Path]:
    """A certificate authority, and its certificate as a file."""
    made = trustme.CA()
    path = tmp_path / "authority.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


@pytest.fixture
async def encrypted(authority):
    """The port of a TLS server for `localhost` that answers every request alike."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("localhost").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(PLAIN)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def in_a_second() -> float:
    return asyncio.get_running_loop().time() + 1


async def test_a_server_whose_certificate_is_trusted_is_reached(authority, encrypted):
    pool = Pool(Origin.of(f"https://localhost:{encrypted}/v1"), tls=trust(authority[1]))

    connection = await pool.take(in_a_second())
    await connection.ask([b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"], in_a_second())

    assert (await connection.head(in_a_second()))[0] == 200
    pool.put(connection)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_that_is_not_trusted_or_for_another_host_is_refused(authority, encrypted, host):
    trusted = trust(authority[1]) if host == "127.0.0.1" else trust()
    pool = Pool(Origin.of(f"https://{host}:{encrypted}/v1"), tls=trusted)

    with pytest.raises(UpstreamUnavailable):
        await pool.take(in_a_second())
    assert pool.open_connections == 0


async def test_the_gateway_trusts_the_file_that_is_configured(authority, encrypted, tmp_path, client):
    yaml = f"""
upstreams:
  safe: {{kind: openai, url: "https://localhost:{encrypted}/v1", ca_file: "{authority[1]}"}}
  other: {{kind: openai, url: "https://localhost:{encrypted}/v1"}}
"""
    async with gateway_of(yaml, tmp_path) as gateway:
        body = {"model": "safe/m", "messages": []}
        trusted = await client.post(gateway.url + "/v1/chat/completions", json=body)
        refused = await client.post(gateway.url + "/v1/chat/completions", json=body | {"model": "other/m"})

    assert (trusted.status_code, refused.status_code) == (200, 503)


async def test_a_certificate_that_is_changed_in_its_file_counts_without_a_restart_and_a_broken_one_is_kept_out(
    authority, encrypted, tmp_path, client, caplog
):
    file = tmp_path / "trusted.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    yaml = f"""
server: {{watch_seconds: 0.1}}
upstreams:
  safe: {{kind: openai, url: "https://localhost:{encrypted}/v1", ca_file: trusted.pem}}
"""
    async with gateway_of(yaml, tmp_path) as gateway:

        async def status() -> int:
            body = {"model": "safe/m", "messages": []}
            return (await client.post(gateway.url + "/v1/chat/completions", json=body)).status_code

        async def answers() -> bool:
            return await status() == 200

        assert await status() == 503
        authority[0].cert_pem.write_to_path(str(file))
        await answered(answers, 10)

        file.write_text("no certificate")
        await eventually(lambda: "upstreams.safe.ca_file" in caplog.text, 10)
        assert await status() == 200
        file.unlink()
        await eventually(lambda: "trusted.pem cannot be read: No such file" in caplog.text, 10)
        assert await status() == 200


async def test_small_packets_are_not_held_back(upstream):
    pool = Pool(Origin.of(upstream[1]))
    connection = await pool.take(in_a_second())
    assert connection._transport is not None

    sock: socket.socket = connection._transport.get_extra_info("socket")

    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    pool.put(connection)


async def test_newcomers_do_not_overtake_those_who_wait(upstream):
    pool = Pool(Origin.of(upstream[1]), limit=1)
    first = await pool.take(in_a_second())
    waiting = asyncio.ensure_future(pool.take(in_a_second()))
    await asyncio.sleep(0.01)

    pool.put(first)
    newcomer = asyncio.ensure_future(pool.take(in_a_second()))
    second = await waiting

    assert not newcomer.done()
    pool.put(second)
    pool.put(await newcomer)


async def test_what_is_idle_for_too_long_is_closed_and_not_counted(upstream):
    pool = Pool(Origin.of(upstream[1]), idle_seconds=0.1)
    taken = [await pool.take(in_a_second()) for _ in range(5)]
    for connection in taken:
        connection.complete = connection._keeps_alive = True
        pool.put(connection)
    assert pool.open_connections == 5

    await eventually(lambda: upstream[0].open_connections == 0)

    assert pool.open_connections == 0


async def test_a_connection_put_back_into_a_closed_pool_is_closed(upstream):
    pool = Pool(Origin.of(upstream[1]))
    connection = await pool.take(in_a_second())
    connection.complete = connection._keeps_alive = True

    pool.close()
    pool.put(connection)

    assert pool.open_connections == 0
