import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from adapters.breaking import Breaking
from adapters.directory import Directory
from adapters.openai_http import Address, OpenAIHttp
from adapters.pool import Origin, Pool
from adapters.refusals import refusal
from adapters.vllm import Replica, Vllm, structured
from app.breaker import Breaker, Tolerance
from app.contracts import Outbound, Timeouts
from app.errors import UpstreamBroken, UpstreamFailure, UpstreamRefused, UpstreamUnavailable
from app.operations import CHAT
from sim.server import Twin
from tests.support.gateway import twin
from tests.support.raw import answering, raw_server, read_request

TOLERANCE = Tolerance(minimum=4, open_seconds=60)
NOWHERE = "http://127.0.0.1:1/v1"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
async def pair() -> AsyncGenerator[tuple[list[Twin], Vllm]]:
    """Two replicas and the fleet of them."""
    async with twin() as (one, first), twin() as (other, second), fleet_of(first, second) as fleet:
        yield [one, other], fleet


@asynccontextmanager
async def fleet_of(*urls: str) -> AsyncGenerator[Vllm]:
    async with AsyncExitStack() as held:
        replicas = []
        for url in urls:
            origin = Origin.of(url)
            upstream = OpenAIHttp(Address(origin.authority, "/v1"), Pool(origin), Timeouts(connect=1))
            directory = Directory(url, {}, None)
            held.push_async_callback(directory.close)
            held.callback(upstream.close)
            replicas.append(Replica(url, Breaking(upstream, Breaker(TOLERANCE)), directory))
        yield Vllm(replicas)


def asked(model: str = "twin", *, stream: bool = False, **more: object) -> Outbound:
    body = msgspec.json.encode({"model": model, "messages": [], "stream": stream} | more)
    return Outbound(CHAT, model, body, stream, (), asyncio.get_running_loop().time() + 5)


async def answered(fleet: Vllm, outbound: Outbound) -> bytes:
    async with fleet.open(outbound) as answer:
        return await answer.read()


async def whole(fleet: Vllm, outbound: Outbound) -> None:
    async with fleet.open(outbound) as answer:
        while await answer.read():
            pass


async def open_circuits(fleet: Vllm, *numbers: int, seconds_ago: float = 0) -> None:
    """Let these replicas' circuits have opened, for 60 s."""
    now = asyncio.get_running_loop().time() - seconds_ago
    for number in numbers:
        breaker = Breaker(replace(TOLERANCE, minimum=1))
        breaker.fail(breaker.admit(now), now)
        replica = fleet._replicas[number]
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
        tried = frozenset(replica.where for replica in fleet._replicas if replica.asked)
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
    fleet._replicas[0].breaker.miss(0, 30)

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

    assert tried == {replica.where for replica in fleet._replicas}
    assert stood_by == [True, False]
    assert [len(each.seen) for each in twins] == [1, 1]


async def test_a_replica_that_failed_this_call_is_asked_last(pair):
    twins, fleet = pair
    tried = frozenset({fleet._replicas[0].where})

    for _ in range(3):
        await answered(fleet, replace(asked(), tried=tried))
    await answered(fleet, replace(asked(), tried=frozenset(replica.where for replica in fleet._replicas)))

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


async def test_an_adapter_is_loaded_wherever_it_is_not_listed(pair):
    twins, fleet = pair

    await fleet.load("poet", "/models/poet")
    await fleet.load("twin-lora", "/models/other")

    assert posts(twins) == [["/v1/load_lora_adapter"]] * 2
    assert twins[1].seen[1].json() == {"lora_name": "poet", "lora_path": "/models/poet"}


async def test_an_adapter_is_unloaded_wherever_it_is_listed(pair):
    twins, fleet = pair

    await fleet.unload("poet")
    await fleet.unload("twin-lora")

    assert posts(twins) == [["/v1/unload_lora_adapter"]] * 2


async def test_unloading_tells_of_a_replica_out_of_reach_after_the_others_are_done():
    async with twin() as (running, url), fleet_of(NOWHERE, url) as fleet:
        with pytest.raises(UpstreamUnavailable):
            await fleet.unload("twin-lora")

    assert posts([running]) == [["/v1/unload_lora_adapter"]]


@pytest.mark.parametrize(
    ("sent", "constraint"),
    [
        ({"guided_json": {"const": 12345678901234567890}}, {"json": {"const": 12345678901234567890}}),
        ({"guided_regex": "a|b", "guided_json": None}, {"regex": "a|b"}),
        ({"guided_choice": ["a"], "structured_outputs": None}, {"choice": ["a"]}),
        ({"guided_json": {}, "guided_whitespace_pattern": " ?"}, {"json": {}, "whitespace_pattern": " ?"}),
        ({"guided_grammar": "g", "structured_outputs": {"regex": "x"}}, {"regex": "x"}),
    ],
)
async def test_constraints_by_their_old_names_get_their_new_one(sent, constraint):
    made = msgspec.json.decode(structured(asked(**sent)).body)

    assert made == msgspec.json.decode(asked(**sent).body) | {"structured_outputs": constraint}


@pytest.mark.parametrize(
    "sent", [{}, {"guided_json": None}, {"guided_decoding_backend": "x"}, {"user": '"guided_json"'}]
)
async def test_a_request_without_such_a_constraint_stays_as_it_is(sent):
    outbound = asked(**sent)

    assert structured(outbound) is outbound


@pytest.mark.parametrize("quote", ["it's", 'a "word"', "plain"])
def test_a_fault_is_told_by_its_place_and_not_by_the_clients_text(quote):
    fault = {"type": "x", "loc": "body.stop", "msg": f"Input should be {quote}", "input": "my secret"}
    message = f"2 validation errors:\n  {fault}\n  {fault | {'loc': 'body.tools.0'}}\n"
    error = {"message": message, "type": "Bad Request", "param": "body.stop", "code": 400}

    told = refusal(400, (), msgspec.json.encode({"error": error}))

    assert (told.status, told.param) == (400, "stop")
    assert "secret" not in told.message
    assert told.message.startswith("stop: Input should be ")
    assert "; tools.0: Input should be " in told.message


@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_an_error_that_is_only_shaped_like_one_is_told_anew(dialect):
    message = "1 validation error for Block\ninput\n  Input should be valid [type=x, input_value='my secret', input_type=str]"
    body = {"type": "error", "error": {"type": "BadRequestError", "message": message, "code": None}}

    told = msgspec.json.decode(refusal(400, (), msgspec.json.encode(body)).body(dialect))

    assert told["error"]["type"] == "invalid_request_error"
    assert told["error"]["message"] == "1 validation error for Block\ninput\n  Input should be valid"
