"""Calls find their replica, whatever replicas do."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from adapters.breaking import Breaking
from adapters.directory import Directory
from adapters.fleet import Fleet, Server
from adapters.openai_http import Address, OpenAIHttp
from adapters.pool import Origin, Pool
from app.breaker import Breaker, Tolerance
from app.contracts import Outbound, Timeouts
from app.errors import UpstreamBroken, UpstreamFailure, UpstreamRefused, UpstreamUnavailable
from app.fleet.choice import LMetric
from app.fleet.placement import Placement
from app.fleet.prefixes import Prefixes
from app.fleet.replica import Replica
from app.fleet.residency import Residency
from app.operations import CHAT
from sim.server import Twin
from tests.support.gateway import twin
from tests.support.raw import answering, raw_server, read_request

TOLERANCE = Tolerance(minimum=4, open_seconds=60)
NOWHERE = "http://127.0.0.1:1/v1"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
async def pair() -> AsyncGenerator[tuple[list[Twin], Fleet]]:
    """Two replicas and the fleet of them."""
    async with twin() as (one, first), twin() as (other, second), fleet_of(first, second) as fleet:
        yield [one, other], fleet


@asynccontextmanager
async def fleet_of(*urls: str) -> AsyncGenerator[Fleet]:
    async with AsyncExitStack() as held:
        servers = []
        for place, url in enumerate(urls):
            origin = Origin.of(url)
            upstream = OpenAIHttp(Address(origin.authority, "/v1"), Pool(origin), Timeouts(connect=1))
            directory = Directory(url, {}, None)
            held.push_async_callback(directory.close)
            held.callback(upstream.close)
            seat = Replica(url, place, Residency(2, 4), max_loras=2)
            servers.append(Server(url, Breaking(upstream, Breaker(TOLERANCE)), directory, seat))
        prefixes = Prefixes()
        yield Fleet(servers, LMetric(prefixes), prefixes, Placement())


def asked(model: str = "twin", *, stream: bool = False, **more: object) -> Outbound:
    body = msgspec.json.encode({"model": model, "messages": [], "stream": stream} | more)
    return Outbound(CHAT, model, body, stream, (), asyncio.get_running_loop().time() + 5)


async def answered(fleet: Fleet, outbound: Outbound) -> bytes:
    async with fleet.open(outbound) as answer:
        return await answer.read()


async def whole(fleet: Fleet, outbound: Outbound) -> None:
    async with fleet.open(outbound) as answer:
        while await answer.read():
            pass


async def open_circuits(fleet: Fleet, *numbers: int, seconds_ago: float = 0) -> None:
    """Let these replicas' circuits have opened, for 60 s."""
    now = asyncio.get_running_loop().time() - seconds_ago
    for number in numbers:
        breaker = Breaker(replace(TOLERANCE, minimum=1))
        breaker.fail(breaker.admit(now), now)
        replica = fleet.servers[number]
        replica.breaker = replica.upstream.breaker = breaker


def posts(twins: Sequence[Twin]) -> list[list[str]]:
    """The paths that each replica was asked to act on."""
    return [[seen.path for seen in each.seen if seen.method == "POST"] for each in twins]


async def test_calls_go_to_the_replica_that_is_answering_the_fewest(pair):
    twins, fleet = pair

    async with fleet.open(asked("twin?stall=2&chunks=9", stream=True)):
        await answered(fleet, asked())
        await answered(fleet, asked())

    assert [len(each.seen) for each in twins] == [1, 2]


async def test_a_replica_that_is_overloaded_is_asked_last_for_a_while():
    asks = 0

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asks
        await read_request(reader)
        asks += 1
        writer.write(BUSY)

    async with (
        raw_server(busy) as port,
        twin() as (_, url),
        fleet_of(f"http://127.0.0.1:{port}/v1", url) as fleet,
    ):
        with pytest.raises(UpstreamUnavailable):
            await answered(fleet, asked())
        for _ in range(4):
            await answered(fleet, asked())

    assert asks == 1


async def test_idle_replicas_take_turns_also_after_failures(pair):
    twins, fleet = pair

    for _ in range(2):
        await answered(fleet, asked())
        with pytest.raises(UpstreamBroken):
            await answered(fleet, asked("twin?status=500"))
        with pytest.raises(UpstreamRefused):
            await answered(fleet, asked("twin?status=400"))

    assert [len(each.seen) for each in twins] == [3, 3]


async def test_a_call_that_was_left_half_way_counts_no_longer(pair):
    twins, fleet = pair

    async with fleet.open(asked("twin?stall=2", stream=True)) as answer:
        await answer.read()
    for _ in range(3):
        await answered(fleet, asked())

    assert [len(each.seen) for each in twins] == [2, 2]


async def test_a_replica_that_cannot_be_reached_is_passed_over():
    async with twin() as (_, url), fleet_of(NOWHERE, url) as fleet:
        for _ in range(3):
            assert await answered(fleet, asked())


async def test_a_replica_that_answers_503_was_asked_and_another_stands_by(pair):
    twins, fleet = pair

    for stands_by in (True, False):
        tried = frozenset(replica.where for replica in fleet.servers if replica.asked)
        with pytest.raises(UpstreamUnavailable) as refused:
            await answered(fleet, replace(asked("twin?status=503"), tried=tried))
        assert refused.value.elsewhere == stands_by

    assert [len(each.seen) for each in twins] == [1, 1]


async def test_a_call_that_a_replica_took_up_and_failed_is_not_made_again(pair):
    twins, fleet = pair

    with pytest.raises(UpstreamBroken):
        await answered(fleet, asked("twin?cut=0"))

    assert [len(each.seen) for each in twins] == [1, 0]


async def test_an_open_replica_is_not_asked_while_another_is_closed(pair):
    twins, fleet = pair
    await open_circuits(fleet, 0)

    for _ in range(5):
        await answered(fleet, asked())

    assert [len(each.seen) for each in twins] == [0, 5]


async def test_where_every_circuit_is_open_the_call_is_refused_at_once(pair):
    twins, fleet = pair
    await open_circuits(fleet, 0, 1)

    with pytest.raises(UpstreamUnavailable) as refused:
        await answered(fleet, asked())

    assert refused.value.headers == {"retry-after": "60"}
    assert not refused.value.elsewhere
    assert posts(twins) == [[], []]


async def test_a_half_open_replica_gets_one_call_at_a_time(pair):
    twins, fleet = pair
    await open_circuits(fleet, 0, seconds_ago=60)

    await asyncio.gather(*(answered(fleet, asked("twin?first=0.1")) for _ in range(10)))

    assert [len(each.seen) for each in twins] == [1, 9]


async def test_a_replica_whose_last_check_failed_is_asked_last(pair):
    twins, fleet = pair
    fleet.servers[0].breaker.miss(0, 30)

    for _ in range(3):
        await answered(fleet, asked())

    assert [len(each.seen) for each in twins] == [0, 3]


@pytest.mark.parametrize(
    "model", ["twin?status=500", "twin?cut=0", "twin?cut=3&gap=0.01", "twin?malformed=3&gap=0.01"]
)
async def test_a_failure_says_where_it_was_and_that_another_replica_stands_by(pair, model):
    twins, fleet = pair

    tried: frozenset[str] = frozenset()
    stood_by = []
    for _ in twins:
        with pytest.raises(UpstreamBroken) as broken:
            await whole(fleet, replace(asked(model, stream=True), tried=tried))
        tried |= {broken.value.where}
        stood_by.append(broken.value.elsewhere)

    assert tried == {replica.where for replica in fleet.servers}
    assert stood_by == [True, False]
    assert [len(each.seen) for each in twins] == [1, 1]


async def test_a_replica_that_failed_this_call_is_asked_last(pair):
    twins, fleet = pair
    tried = frozenset({fleet.servers[0].where})

    for _ in range(3):
        await answered(fleet, replace(asked(), tried=tried))
    await answered(fleet, replace(asked(), tried=frozenset(replica.where for replica in fleet.servers)))

    assert [len(each.seen) for each in twins] == [1, 3]


async def test_nobody_stands_by_whose_circuit_is_open(pair):
    _, fleet = pair
    await open_circuits(fleet, 1)

    with pytest.raises(UpstreamBroken) as broken:
        await answered(fleet, asked("twin?status=500"))

    assert not broken.value.elsewhere


@pytest.mark.parametrize("status", [400, 429])
async def test_what_says_nothing_about_the_replica_sends_nobody_elsewhere(pair, status):
    _, fleet = pair

    with pytest.raises(UpstreamFailure) as refused:
        await answered(fleet, asked(f"twin?status={status}"))

    assert not refused.value.elsewhere


async def test_no_replica_within_reach_is_an_unavailable_upstream():
    async with fleet_of(NOWHERE, NOWHERE) as fleet:
        with pytest.raises(UpstreamUnavailable):
            await answered(fleet, asked())
        with pytest.raises(UpstreamUnavailable):
            await fleet.models()


async def test_the_models_are_those_of_every_replica_within_reach():
    cards = b'{"data":[{"id":"twin","max_model_len":9},{"id":"poet","parent":"twin","root":"/models/poet"}]}'
    listing = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(cards)
    async with (
        twin() as (_, url),
        raw_server(answering(listing + cards)) as port,
        fleet_of(NOWHERE, url, f"http://127.0.0.1:{port}/v1") as fleet,
    ):
        found = {card.id: card for card in await fleet.models()}

    assert found.keys() == {"twin", "twin-lora", "poet"}
    assert found["poet"].parent == "twin"
