import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from adapters.breaking import Breaking
from adapters.checking import Checking
from adapters.directory import Directory
from adapters.openai_http import Address, OpenAIHttp
from adapters.pool import Origin, Pool
from app.breaker import Breaker, Tolerance
from app.contracts import Outbound, Timeouts
from app.errors import UpstreamFailure, UpstreamUnavailable
from app.operations import CHAT
from sim.server import Twin
from tests.support.raw import answering, raw_server
from tests.support.waiting import eventually

NOWHERE = "http://127.0.0.1:1/v1"


@asynccontextmanager
async def breaking(url: str, *, limit: int = 100, minimum: int = 1) -> AsyncGenerator[Breaking]:
    """A server whose circuit opens with the first failure, unless told otherwise."""
    origin = Origin.of(url)
    timeouts = Timeouts(connect=0.2, first_content=0.3, gap=0.2, total=5)
    server = OpenAIHttp(Address(origin.authority, "/v1"), Pool(origin, limit=limit), timeouts)
    try:
        yield Breaking(server, Breaker(Tolerance(error_rate=0.5, minimum=minimum, open_seconds=60)))
    finally:
        server.close()


@pytest.fixture
async def server(upstream: tuple[Twin, str]) -> AsyncGenerator[Breaking]:
    async with breaking(upstream[1]) as made:
        yield made


def asked(
    model: str = "twin", *, seconds: float = 5.0, stream: bool = True, hurried: bool = False
) -> Outbound:
    body = msgspec.json.encode({"model": model, "messages": [], "stream": stream})
    deadline = asyncio.get_running_loop().time() + seconds
    return Outbound(CHAT, model, body, stream, (), deadline, hurried=hurried)


async def ask(server: Breaking, outbound: Outbound) -> bytes:
    """The whole answer."""
    pieces = []
    async with server.open(outbound) as answer:
        while piece := await answer.read():
            pieces.append(piece)
    return b"".join(pieces)


def state(server: Breaking) -> str:
    return server.breaker.circuit(asyncio.get_running_loop().time()).state


async def half_open(server: Breaking) -> None:
    """Let the circuit have opened, and its time be over."""
    then = asyncio.get_running_loop().time() - 60
    server.breaker.fail(server.breaker.admit(then), then)
    assert state(server) == "half-open"


@pytest.mark.parametrize(
    "model",
    [
        "twin?status=500",
        "twin?status=503",
        "twin?status=401",
        "twin?status=504",
        "twin?cut=0",
        "twin?first=9",
        "twin?error=0",
        "twin?cut=3&gap=0.01",
        "twin?stall=3&gap=0.01",
        "twin?error=3&gap=0.01",
        "twin?malformed=3&gap=0.01",
    ],
)
async def test_a_failure_of_the_server_counts_before_the_first_content_and_behind_it(server, model):
    with suppress(UpstreamFailure):
        await ask(server, asked(model))

    assert state(server) == "open"


async def test_where_nobody_listens_counts():
    async with breaking(NOWHERE) as server:
        with pytest.raises(UpstreamUnavailable):
            await ask(server, asked())

        assert state(server) == "open"


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 425, 429])
async def test_what_the_client_did_wrong_or_asked_too_often_does_not_count(server, status):
    for _ in range(3):
        with pytest.raises(UpstreamFailure):
            await ask(server, asked(f"twin?status={status}"))

    assert state(server) == "closed"


@pytest.mark.parametrize("model", ["twin?first=9", "twin?stall=3"])
async def test_a_client_that_leaves_does_not_count(server, model):
    asking = asyncio.ensure_future(ask(server, asked(model)))
    await asyncio.wait([asking], timeout=0.1)
    asking.cancel()
    await asyncio.wait([asking])

    assert asking.cancelled()
    assert state(server) == "closed"


async def test_a_client_that_gives_too_little_time_does_not_count(server):
    for seconds in (0.05, 0.0):
        with pytest.raises(UpstreamFailure):
            await ask(server, asked("twin?head=9", seconds=seconds, hurried=True))

    assert state(server) == "closed"


async def test_the_same_time_given_by_the_configuration_counts(server):
    with pytest.raises(UpstreamFailure):
        await ask(server, asked("twin?head=9", seconds=0.05))

    assert state(server) == "open"


async def test_silence_counts_also_where_the_client_would_have_waited_longer_and_said_so(server):
    with pytest.raises(UpstreamFailure):
        await ask(server, asked("twin?first=9", seconds=5, hurried=True))

    assert state(server) == "open"


async def test_an_answer_that_is_still_coming_at_its_deadline_does_not_count(server):
    with pytest.raises(UpstreamFailure):
        await ask(server, asked("twin?chunks=99&gap=0.03", seconds=0.3))

    assert state(server) == "closed"


async def test_a_full_pool_does_not_count(upstream):
    async with (
        breaking(upstream[1], limit=1) as server,
        server.open(asked("twin?stall=1")),
    ):
        with pytest.raises(UpstreamUnavailable):
            await ask(server, asked())

        assert state(server) == "closed"


async def test_an_open_circuit_refuses_at_once_and_says_for_how_long(server, upstream):
    with pytest.raises(UpstreamFailure):
        await ask(server, asked("twin?status=500"))

    with pytest.raises(UpstreamUnavailable) as refused:
        await ask(server, asked())

    assert refused.value.message == "The upstream's circuit is open."
    assert refused.value.headers == {"retry-after": "60"}
    assert len(upstream[0].seen) == 1


async def test_half_open_one_call_tries_and_the_others_are_told_to_wait(server, upstream):
    await half_open(server)

    asking = [asyncio.ensure_future(ask(server, asked("twin?first=0.1"))) for _ in range(20)]
    await asyncio.wait(asking)

    failures = [each.exception() for each in asking]
    refusals = [each for each in failures if isinstance(each, UpstreamUnavailable)]
    assert len(refusals) == 19
    assert {each.headers["retry-after"] for each in refusals} == {"1"}
    assert len(upstream[0].seen) == 1


async def test_the_first_content_of_a_probe_is_enough(server):
    await half_open(server)

    async with server.open(asked("twin?stall=3")), server.open(asked("twin?stall=3")):
        assert state(server) == "closed"


@pytest.mark.parametrize("model", ["twin?status=422", "twin?status=429", "twin?first=9"])
async def test_a_probe_that_says_nothing_gives_its_place_back(server, model):
    await half_open(server)

    asking = asyncio.ensure_future(ask(server, asked(model)))
    await asyncio.wait([asking], timeout=0.1)
    asking.cancel()
    await asyncio.wait([asking])

    assert state(server) == "half-open"
    await ask(server, asked())
    await ask(server, asked())
    assert state(server) == "closed"


async def test_a_failure_that_was_caught_inside_counts_when_the_block_is_left_with_it(server):
    held = server.open(asked("twin?cut=1"))
    answer = await held.__aenter__()
    await answer.read()
    with pytest.raises(UpstreamFailure) as broken:
        await answer.read()

    await held.__aexit__(type(broken.value), broken.value, None)

    assert state(server) == "open"


async def checked(server: Breaking, url: str) -> None:
    directory = Directory(url, {}, None)
    try:
        await Checking(directory, server.breaker, 10).check()
    finally:
        await directory.close()


async def test_two_health_checks_in_a_row_take_a_server_out_and_one_brings_it_back(server, upstream):
    await checked(server, NOWHERE)
    assert state(server) == "closed"
    await checked(server, NOWHERE)
    assert state(server) == "open"

    await checked(server, upstream[1])
    assert state(server) == "half-open"


@pytest.mark.parametrize("status", [b"404 Not Found", b"429 Too Many Requests"])
async def test_a_server_that_answers_is_there_whatever_it_says(server, status):
    answer = b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n"
    async with raw_server(answering(answer, answer)) as port:
        for _ in range(2):
            await checked(server, f"http://127.0.0.1:{port}/v1")

    assert not server.breaker.doubted


async def test_checks_go_on_until_they_are_stopped(server, upstream):
    twin, url = upstream
    directory = Directory(url, {}, None)
    checking = Checking(directory, server.breaker, 0.01)

    checking.start()
    await eventually(lambda: len(twin.seen) > 3)
    await checking.stop()
    await directory.close()

    assert {seen.path for seen in twin.seen} == {"/v1/models"}
    assert checking._task is not None
    assert checking._task.cancelled()


async def test_without_a_period_there_are_no_checks(server):
    checking = Checking(Directory(NOWHERE, {}, None), server.breaker, 0)

    checking.start()
    await checking.stop()

    assert checking._task is None
