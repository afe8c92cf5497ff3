import asyncio
import gc
import weakref
from contextlib import asynccontextmanager

import pytest

from adapters.http1 import HIGH_WATER
from adapters.openai_http import Address, OpenAIHttp, Stream
from adapters.pool import Origin, Pool
from app.contracts import Outbound, Timeouts
from app.errors import (
    ContextTooLong,
    UpstreamBroken,
    UpstreamFailure,
    UpstreamGaveUp,
    UpstreamLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.operations import CHAT
from tests.support.raw import answering, raw_server, read_request
from tests.support.waiting import eventually

TIMEOUTS = Timeouts(connect=0.5, first_content=0.5, gap=0.3, total=2)
OK = b'{"choices":[{"finish_reason":"stop"}]}'
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(OK), OK)
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WORD = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def upstream_at(port: int, **limits) -> tuple[OpenAIHttp, Pool]:
    pool = Pool(Origin.of(f"http://127.0.0.1:{port}/v1"), **limits)
    return OpenAIHttp(Address(f"127.0.0.1:{port}", "/v1"), pool, TIMEOUTS), pool


def asked(body: bytes = b'{"model":"m","messages":[]}', *, stream: bool = False) -> Outbound:
    deadline = asyncio.get_running_loop().time() + TIMEOUTS.total
    return Outbound(CHAT, "m", body, stream, (), deadline)


async def answer_of(upstream: OpenAIHttp, *, stream: bool = False) -> bytes:
    async with upstream.open(asked(stream=stream)) as answer:
        pieces = []
        while piece := await answer.read():
            pieces.append(piece)
    return b"".join(pieces)


@asynccontextmanager
async def asking(*answers: bytes, **options):
    """An upstream whose server answers with these bytes."""
    async with raw_server(answering(*answers, **options)) as port:
        upstream, pool = upstream_at(port)
        yield upstream, pool
        upstream.close()


@pytest.mark.parametrize(
    "answer",
    [
        PLAIN,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        + chunk(OK[:9]) + chunk(OK[9:]) + b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + OK,
        b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + PLAIN,
        b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\ncontent-length: 38\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        b"26;extension=1\r\n" + OK + b"\r\n0\r\ntrailer: 1\r\n\r\n",
    ],
)  # fmt: skip
async def test_an_answer_is_read_however_its_end_is_told(answer):
    async with asking(answer) as (upstream, _):
        assert await answer_of(upstream) == OK


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n"
        b"content-length: 38\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(OK),
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 38\r\n"
        b"transfer-encoding: chunked\r\n\r\n" + chunk(OK) + b"0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<ht>",
        b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n{"a"',
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
        b"content-length: 38\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: rot13\r\n"
        b"content-length: 38\r\n\r\n" + OK,
        b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"error":"down"}'[:-1]
        + b"}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    ],
)  # fmt: skip
async def test_a_broken_answer_is_a_broken_upstream_and_its_connection_is_dropped(answer):
    async with asking(answer) as (upstream, pool):
        with pytest.raises(UpstreamBroken):
            await answer_of(upstream)
        upstream.close()
        assert pool.open_connections == 0


@pytest.mark.parametrize(
    ("events", "failure"),
    [
        (b"", UpstreamBroken),
        (b"data: [DONE]\n\n", UpstreamBroken),
        (WORD, UpstreamBroken),
        (WORD + WORD[:20], UpstreamBroken),
        (WORD + FINISH, None),
        (WORD + b"data: [DONE]", None),
        (WORD + b"data: [DONE]\n", None),
        (
            b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\ndata: {"error":{"message":"x"}}\n\n',
            UpstreamBroken,
        ),
        (b"data: not json\n\n", UpstreamBroken),
        (b": comment\n\n" + WORD + FINISH + b"data: [DONE]\n\n", None),
    ],
)
async def test_a_stream_ends_well_only_where_it_says_so(events, failure):
    body = (chunk(events) if events else b"") + b"0\r\n\r\n"
    async with asking(EVENTS + body) as (upstream, _):
        if failure is None:
            assert (await answer_of(upstream)).rstrip() == events.rstrip()
        else:
            with pytest.raises(failure):
                await answer_of(upstream)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_refusal_told_with_200_is_the_clients_mistake(stream):
    error = b'{"error":{"message":"longer than the model\'s context length","type":"x","code":400}}'
    plain = PLAIN.replace(OK, error).replace(b"length: %d" % len(OK), b"length: %d" % len(error))
    events = EVENTS + chunk(b"data: " + error + b"\n\ndata: [DONE]\n\n") + b"0\r\n\r\n"
    async with asking(events if stream else plain) as (upstream, _):
        with pytest.raises(ContextTooLong) as caught:
            await answer_of(upstream, stream=stream)
        assert caught.value.status == 400


@pytest.mark.parametrize("half", [b"data:", b"data", b"data: ", b"event: mess", b": ping"])
async def test_half_an_event_without_data_is_not_handed_on(half):
    body = chunk(WORD + half) + b"0\r\n\r\n"
    async with asking(EVENTS + body) as (upstream, _), upstream.open(asked(stream=True)) as answer:
        assert await answer.read() == WORD
        with pytest.raises(UpstreamBroken):
            await answer.read()


async def test_a_cut_stream_is_a_broken_upstream():
    async with asking(EVENTS + chunk(WORD)) as (upstream, _), upstream.open(asked(stream=True)) as answer:
        assert await answer.read() == WORD
        with pytest.raises(UpstreamBroken):
            await answer.read()


async def test_a_connection_is_used_again():
    async with asking(PLAIN, PLAIN, PLAIN, close=False) as (upstream, pool):
        for _ in range(3):
            assert await answer_of(upstream) == OK
        assert pool.open_connections == 1


async def test_a_closed_connection_is_freed_without_the_collector():
    async with asking(PLAIN, close=False) as (_, pool):
        connection = await pool.take(asyncio.get_running_loop().time() + 1)
        known = weakref.ref(connection)
        gc.disable()
        try:
            pool.put(connection)
            del connection
            await eventually(lambda: known() is None)
        finally:
            gc.enable()


async def test_a_connection_with_an_unread_answer_is_not_used_again():
    async with asking(EVENTS + chunk(WORD), close=False) as (upstream, pool):
        async with upstream.open(asked(stream=True)) as answer:
            await answer.read()
        assert pool.open_connections == 0


async def test_an_idle_connection_that_the_server_closes_at_the_wrong_moment_is_replaced():
    asks = 0

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asks
        await read_request(reader)
        asks += 1
        writer.write(PLAIN)
        await read_request(reader)  # takes the next request, and closes without a byte
        asks += 1

    async with raw_server(closing) as port:
        upstream, _ = upstream_at(port)
        for _ in range(4):
            assert await answer_of(upstream) == OK
        upstream.close()
    assert asks == 7


async def test_a_fresh_connection_that_breaks_is_not_asked_twice():
    asks = 0

    async def closing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal asks
        await read_request(reader)
        asks += 1

    async with raw_server(closing) as port:
        upstream, _ = upstream_at(port)
        with pytest.raises(UpstreamBroken):
            await answer_of(upstream)
    assert asks == 1


async def test_bytes_behind_an_answer_do_not_become_the_next_answer():
    smuggled = PLAIN.replace(b"stop", b"evil")
    async with asking(PLAIN + smuggled, PLAIN) as (upstream, pool):
        assert await answer_of(upstream) == OK
        assert pool.open_connections == 0
        assert await answer_of(upstream) == OK


async def test_late_bytes_on_an_idle_connection_close_it():
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(PLAIN)
        await asyncio.sleep(0.05)
        writer.write(PLAIN.replace(b"stop", b"evil"))
        await reader.read()

    async with raw_server(late) as port:
        upstream, _ = upstream_at(port)
        assert await answer_of(upstream) == OK
        await asyncio.sleep(0.15)
        assert await answer_of(upstream) == OK
        upstream.close()


async def test_no_head_in_time_is_a_timeout():
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(silent) as port:
        upstream, pool = upstream_at(port)
        with pytest.raises(UpstreamTimeout) as caught:
            await answer_of(upstream, stream=True)
        assert caught.value.detail == "first content"
        assert pool.open_connections == 0


async def test_a_whole_answer_may_take_longer_than_a_streams_first_content():
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(TIMEOUTS.first_content + 0.2)
        writer.write(PLAIN)
        await writer.drain()

    async with raw_server(slow) as port:
        upstream, _ = upstream_at(port)
        assert await answer_of(upstream) == OK


async def test_a_body_that_stops_in_the_middle_is_a_timeout_of_the_gap():
    async with asking(PLAIN[:-5], close=False) as (upstream, _):
        with pytest.raises(UpstreamTimeout) as caught:
            await answer_of(upstream)
        assert caught.value.detail == "gap of 0.3 s"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: 400000\r\n\r\n" + b"x" * 400_000,
        b"HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-encoding: odd\r\ncontent-length: 2\r\n\r\nno",
    ],
)
async def test_a_refusal_is_told_by_its_status_whatever_its_body_is(answer):
    async with asking(answer, close=False) as (upstream, _):
        with pytest.raises(UpstreamLimited) as caught:
            await answer_of(upstream)
        assert caught.value.headers == {"retry-after": "7"}


@pytest.mark.parametrize("close", [True, False])
async def test_behind_the_end_of_the_answer_a_connection_may_do_what_it_wants(close):
    done = b"data: [DONE]\n\n"
    async with asking(EVENTS + chunk(WORD + done), close=close) as (upstream, pool):
        async with upstream.open(asked(stream=True)) as answer:
            pieces = [await answer.read(), await answer.read()]
        assert pieces == [WORD + done, b""]
        assert pool.open_connections == 0


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize(
    "tail",
    [b"", b"data: {bad\n\n", b"data: {bad\n\n" + WORD, b'data: {"usage":', b"data: " + b"x" * (17 << 20)],
)
async def test_behind_the_finish_of_an_answer_no_failure_takes_anything_from_it(tail, close):
    for body in (chunk(WORD + FINISH + tail), chunk(WORD + FINISH) + (chunk(tail) if tail else b"")):
        async with asking(EVENTS + body, close=close) as (upstream, pool):
            assert await answer_of(upstream, stream=True) == WORD + FINISH
            assert pool.open_connections == 0


async def test_a_stream_that_is_cut_before_its_last_choice_has_finished_is_broken():
    other = WORD.replace(b'{"delta"', b'{"index":1,"delta"')
    async with asking(EVENTS + chunk(WORD + other + FINISH)) as (upstream, _):
        with pytest.raises(UpstreamBroken):
            await answer_of(upstream, stream=True)


async def test_a_role_without_content_does_not_stop_the_clock():
    role = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    async with asking(EVENTS + chunk(role), close=False) as (upstream, _):
        with pytest.raises(UpstreamTimeout) as caught:
            await answer_of(upstream, stream=True)
        assert caught.value.detail == "first content"


async def test_a_stall_is_a_timeout_of_the_gap():
    async with asking(EVENTS + chunk(WORD), close=False) as (upstream, _):
        async with upstream.open(asked(stream=True)) as answer:
            await answer.read()
            with pytest.raises(UpstreamTimeout) as caught:
                await answer.read()
        assert caught.value.detail == "gap of 0.3 s"


def pinging(first: bytes, *pings: bytes):
    """A server that says nothing more behind these bytes, and pings for ever."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(first)
        while True:
            for ping in pings:
                await asyncio.sleep(0.05)
                writer.write(chunk(ping))

    return handle


@pytest.mark.parametrize("pings", [(b": ping\n\n",), (b": ping\n", b"\n"), (b"event: ping\n\n",)])
async def test_pings_are_no_words_a_stall_between_them_is_seen(pings):
    async with raw_server(pinging(EVENTS + chunk(WORD), *pings)) as port:
        upstream, _ = upstream_at(port)
        with pytest.raises(UpstreamTimeout) as caught:
            await answer_of(upstream, stream=True)
        assert caught.value.detail == "gap of 0.3 s"


async def test_pings_between_words_break_no_stream():
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(EVENTS)
        for _ in range(4):
            writer.write(chunk(WORD))
            for _ in range(2):
                await asyncio.sleep(0.05)
                writer.write(chunk(b": ping\n\n"))
        writer.write(chunk(FINISH) + b"0\r\n\r\n")

    async with raw_server(slow) as port:
        upstream, _ = upstream_at(port)
        told = await answer_of(upstream, stream=True)
        assert (told.count(WORD), told.count(FINISH)) == (4, 1)


async def test_pings_behind_the_end_of_an_answer_are_not_waited_for():
    async with raw_server(pinging(EVENTS + chunk(WORD + b"data: [DONE]\n\n"), b": ping\n\n")) as port:
        upstream, pool = upstream_at(port)
        async with asyncio.timeout(TIMEOUTS.total - 0.5):
            assert (await answer_of(upstream, stream=True)).startswith(WORD)
        assert pool.open_connections == 0


async def test_the_body_of_a_refusal_is_not_waited_for_long():
    head = b"HTTP/1.1 429 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    async with raw_server(pinging(head, b" ")) as port:
        upstream, _ = upstream_at(port)
        with pytest.raises(UpstreamLimited):
            async with asyncio.timeout(TIMEOUTS.total - 0.5):
                await answer_of(upstream)


async def test_steady_words_end_at_the_deadline():
    async def steady(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(EVENTS)
        while True:
            writer.write(chunk(WORD))
            await asyncio.sleep(0.05)

    async with raw_server(steady) as port:
        upstream, _ = upstream_at(port)
        start = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamTimeout) as caught:
            await answer_of(upstream)
        assert caught.value.detail == "total"
        assert asyncio.get_running_loop().time() - start < TIMEOUTS.total + 0.25


async def test_nobody_listening_is_unavailable():
    async with raw_server(answering()) as port:
        pass
    upstream, pool = upstream_at(port)
    with pytest.raises(UpstreamUnavailable):
        await answer_of(upstream)
    assert pool.open_connections == 0


async def test_connections_are_bounded_and_who_waits_gets_the_next():
    async with asking(PLAIN, PLAIN, PLAIN, close=False) as (upstream, pool):
        pool._limit = 1
        answers = await asyncio.gather(*(answer_of(upstream) for _ in range(3)))
        assert answers == [OK] * 3
        assert pool.open_connections == 1


async def test_who_waits_too_long_for_a_connection_is_told():
    async with asking(EVENTS + chunk(WORD), close=False) as (upstream, pool):
        pool._limit = 1
        async with upstream.open(asked(stream=True)) as answer:
            await answer.read()
            with pytest.raises(UpstreamUnavailable, match="in use"):
                await answer_of(upstream)


async def test_one_who_gives_up_waiting_passes_the_turn_on():
    async with asking(EVENTS + chunk(WORD), close=False) as (upstream, pool):
        pool._limit = 1
        async with upstream.open(asked(stream=True)) as answer:
            await answer.read()
            waiting = [
                asyncio.ensure_future(pool.take(asyncio.get_running_loop().time() + 5)) for _ in range(2)
            ]
            await asyncio.sleep(0.01)
        waiting[0].cancel()  # its turn has come, and it has not run yet
        connection = await asyncio.wait_for(waiting[1], 1)
        pool.put(connection)
        assert pool.open_connections == 0


async def test_a_reader_that_is_slow_holds_the_upstream_back():
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(EVENTS)
        event = b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % (b"x" * 60_000)
        while True:
            writer.write(chunk(event))
            await writer.drain()
            sent += len(event)

    async with raw_server(flood) as port:
        upstream, pool = upstream_at(port)
        async with upstream.open(asked(stream=True)) as answer:
            await answer.read()
            await asyncio.sleep(0.2)
            held = sent
            await asyncio.sleep(0.2)
            assert sent == held  # nothing more is taken until somebody reads
            assert isinstance(answer, Stream)
            assert answer._body._connection._buffered <= HIGH_WATER + 256 * 1024
            await answer.read()
            await asyncio.sleep(0.05)
            assert sent > held
        assert pool.open_connections == 0


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, UpstreamRefused),
        (401, "CredentialRejected"),
        (402, "CredentialRejected"),
        (403, "CredentialRejected"),
        (404, "ModelMissing"),
        (408, UpstreamGaveUp),
        (413, UpstreamRefused),
        (422, UpstreamRefused),
        (429, UpstreamLimited),
        (500, UpstreamBroken),
        (502, UpstreamBroken),
        (503, UpstreamUnavailable),
        (504, UpstreamGaveUp),
        (529, UpstreamUnavailable),
    ],
)
async def test_a_status_says_whose_fault_it_is(status, failure):
    body = b'{"error":{"message":"no: sk-secret","type":"t","param":null,"code":null}}'
    head = b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (
        status,
        len(body),
    )
    async with asking(head + body, close=False) as (upstream, pool):
        with pytest.raises(UpstreamFailure) as caught:
            await answer_of(upstream)
        assert type(caught.value).__name__ == (failure if isinstance(failure, str) else failure.__name__)
        if not isinstance(caught.value, UpstreamRefused):
            assert "secret" not in caught.value.message + caught.value.detail
        assert pool.open_connections == 1  # an error is an answer too: the connection stays


async def test_cancelling_a_call_closes_its_connection():
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()
        left.set()

    async with raw_server(silent) as port:
        upstream, pool = upstream_at(port)
        call = asyncio.ensure_future(answer_of(upstream))
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.wait_for(left.wait(), 0.5)
        assert pool.open_connections == 0


LARGE = b'{"model":"m","messages":["%b"]}' % (b"x" * 15_000_000)


async def test_an_upstream_that_breaks_while_a_large_body_goes_up_is_a_broken_upstream():
    async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with raw_server(resetting) as port:
        upstream, pool = upstream_at(port)
        with pytest.raises(UpstreamBroken):
            async with asyncio.timeout(5), upstream.open(asked(LARGE)):
                pass
        assert pool.open_connections == 0


async def test_an_answer_that_comes_before_the_body_has_gone_up_is_the_answer():
    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.sleep(5)

    async with raw_server(refusing) as port:
        upstream, pool = upstream_at(port)
        with pytest.raises(UpstreamRefused) as caught:
            async with asyncio.timeout(2), upstream.open(asked(LARGE)):
                pass
        assert caught.value.status == 413
        assert pool.open_connections == 0  # with bytes unsent it cannot carry another request
