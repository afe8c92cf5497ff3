"""The load generator against the fake upstream, and against servers that answer wrongly."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from bench import answers
from bench.cells import SMALL, Cell, cells, request
from bench.connection import Connection, Fault, check, connect
from bench.load import Door, Load, Outcome
from bench.processes import Cores, line_from, module
from tests.support.raw import answering, raw_server, read_request

CELLS = cells(slow_chunks=8)
PLAIN = answers.plain("plain")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"


@pytest.fixture
async def door():
    async with module("bench.upstream", core=Cores.of_this_machine().load) as upstream:
        yield Door(int(await line_from(upstream)))


async def outcome_of(door: Door, cell: Cell, connections: int = 4, seconds: float = 0.05) -> Outcome:
    async with AsyncExitStack() as held:
        return await Load(door, cell, await connect(door.port, connections, held)).put(seconds)


@pytest.mark.parametrize("name", list(CELLS))
async def test_the_upstream_answers_every_cell_to_the_byte(door, name):
    outcome = await outcome_of(door, CELLS[name])
    assert not outcome.faults
    assert len(outcome.latencies) >= 2
    assert outcome.seconds >= min(outcome.latencies)


async def test_usage_comes_only_where_it_was_asked_for(door):
    plain = request("stream-4-0", SMALL, "")
    asking = b'{"model":"stream-4-0","stream":true,"stream_options":{"include_usage":true}}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(asking)
    async with await Connection.open(door.port) as connection:
        assert await connection.ask(plain) == b"".join(answers.events("stream-4-0", usage=False))
        assert await connection.ask(head + asking) == b"".join(answers.events("stream-4-0", usage=True))


async def test_a_slow_stream_takes_its_time(door):
    outcome = await outcome_of(door, CELLS["slow"], seconds=0.01)
    assert min(outcome.latencies) >= 8 * 0.02


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\nboom", "status 500: boom"),
        (HEAD % len(PLAIN) + PLAIN.replace(b"lumen", b"LUMEN", 1), "bytes came that differ"),
        (HEAD % len(PLAIN) + PLAIN[:-20], "the connection broke before an answer was whole"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
    ],
)
async def test_a_wrong_answer_is_a_fault(answer, fault):
    async with raw_server(answering(answer)) as port:
        outcome = await outcome_of(Door(port), CELLS["request"], connections=1)
    assert len(outcome.faults) == 1
    assert fault in next(iter(outcome.faults))


def test_a_rewritten_stream_must_have_all_its_chunks_and_its_end():
    chunk = b'data: {"choices":[{"delta":{"content":" lumen"}}]}\n\n'
    end = b"data: [DONE]\n\n"
    check(chunk * 4 + end, "stream-4-0", verbatim=False)
    with pytest.raises(Fault, match="3 pieces of text came where 4 were sent"):
        check(chunk * 3 + end, "stream-4-0", verbatim=False)
    with pytest.raises(Fault, match="without its end"):
        check(chunk * 4, "stream-4-0", verbatim=False)


async def test_a_target_that_falls_behind_the_pace_is_a_fault():
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(0.1)
        writer.write(HEAD % len(PLAIN) + PLAIN)
        await reader.read()

    async with raw_server(slow) as port:
        outcome = await outcome_of(Door(port), CELLS["paced"], connections=2, seconds=1)
    assert list(outcome.faults) == ["no connection was free: the target fell behind"]
    assert len(outcome.latencies) == 2
