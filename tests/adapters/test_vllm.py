import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

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
from app.errors import UpstreamBroken, UpstreamRefused, UpstreamUnavailable
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


def posts(twins: Sequence[Twin]) -> list[list[str]]:
    """The paths that each replica was asked to act on."""
    return [[seen.path for seen in each.seen if seen.method == "POST"] for each in twins]


async def test_calls_go_to_the_replica_that_is_answering_the_fewest(pair):
    twins, fleet = pair

    async with fleet.open(asked("twin?stall=2&chunks=9", stream=True)):
        await answered(fleet, asked())
        await answered(fleet, asked())

    assert [len(each.seen) for each in twins] == [1, 2]


async def test_a_replica_that_cannot_be_reached_is_asked_last_for_a_while():
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
        for _ in range(5):
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


async def test_a_replica_that_is_overloaded_is_passed_over():
    async with (
        raw_server(answering(BUSY)) as port,
        twin() as (_, url),
        fleet_of(f"http://127.0.0.1:{port}/v1", url) as fleet,
    ):
        assert await answered(fleet, asked())


async def test_a_call_that_a_replica_took_up_and_failed_is_not_made_again(pair):
    twins, fleet = pair

    with pytest.raises(UpstreamBroken):
        await answered(fleet, asked("twin?cut=0"))

    assert [len(each.seen) for each in twins] == [1, 0]


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
