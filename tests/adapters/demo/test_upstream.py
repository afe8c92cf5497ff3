import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.demo import Demo
from adapters.demo.upstream import FIRST_PAUSE_SECONDS, PAUSE_SECONDS
from app.contracts import Outbound
from app.errors import UpstreamRefused, UpstreamTimeout
from app.operations import OPERATIONS
from tests.adapters.demo.asking import ask, outbound, pieces
from tests.adapters.demo.bodies import GOOD, STREAMING
from tests.adapters.demo.json_values import JSON_VALUES

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value in a JSON value stands."""
    yield here
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, (*here, name))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*here, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


async def refusal_of(asked: Outbound) -> UpstreamRefused | None:
    """Why it is refused; None where it is answered."""
    try:
        got, reading = await pieces(asked)
    except UpstreamRefused as refusal:
        return refusal
    assert got
    assert not reading.failed
    return None


PLACES = [(name, path) for name, body in GOOD.items() for path in paths(body)]


def test_every_operation_is_answered():
    assert Demo.operations == GOOD.keys() == {operation.name for operation in OPERATIONS.values()}


@pytest.mark.parametrize("operation", GOOD)
async def test_a_good_request_is_answered_in_json(operation: str):
    assert await ask(operation, GOOD[operation])


@pytest.mark.parametrize("operation", STREAMING)
async def test_a_stream_is_read_to_its_finish_with_the_usage_that_a_plain_answer_has(operation: str):
    body = GOOD[operation] | ({"stream_options": {"include_usage": True}} if operation[0] == "c" else {})
    _, streamed = await pieces(outbound(operation, body, stream=True))
    _, plain = await pieces(outbound(operation, GOOD[operation]))

    assert streamed.finished
    assert not streamed.failed
    assert streamed.usage == plain.usage
    assert streamed.content_events


@settings(max_examples=300)
@given(st.sampled_from(PLACES), JSON_VALUES, st.booleans())
async def test_whatever_stands_in_a_request_is_answered_or_refused(place, value, stream):
    operation, path = place
    body = json.dumps(replaced(GOOD[operation], path, value)).encode()
    refusal = await refusal_of(outbound(operation, body, stream=stream and operation in STREAMING))

    if refusal is not None:
        told = json.loads(refusal.body())["error"]
        assert refusal.status == 400
        assert told["message"]
        assert told["type"] == "invalid_request_error"


@pytest.mark.parametrize("operation", GOOD)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"\xff": 1}', b'{"messages": NaN}'])
async def test_what_is_no_json_object_is_refused(operation: str, body: bytes):
    with pytest.raises(UpstreamRefused) as raised:
        await pieces(outbound(operation, body))
    assert raised.value.status == 400


@pytest.mark.parametrize("levels", [60, 900, 50_000])
async def test_a_nesting_bomb_is_refused(levels: int):
    deep = '{"allOf":[' * levels + "{}" + "]}" * levels
    shape = f'{{"type": "json_schema", "json_schema": {{"name": "x", "schema": {deep}}}}}'
    body = f'{{"messages": [{{"role": "user", "content": "x"}}], "response_format": {shape}}}'
    with pytest.raises(UpstreamRefused):
        await pieces(outbound("chat", body.encode()))


async def test_another_model_is_not_found():
    with pytest.raises(UpstreamRefused) as raised:
        await pieces(outbound("chat", HELLO, model="gpt"))
    assert (raised.value.status, raised.value.code, raised.value.param) == (404, "model_not_found", "model")


async def test_its_models_are_those_it_answers_for():
    for card in await Demo().models():
        got, _ = await pieces(outbound("chat", HELLO, model=card.id), Demo(_at_once))
        assert json.loads(got[0])["model"] == card.id


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


async def test_the_slow_model_pauses_before_every_token():
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)
        await asyncio.sleep(0)

    got, _ = await pieces(outbound("chat", HELLO, stream=True, model="demo-slow"), Demo(sleep))

    assert paused == [FIRST_PAUSE_SECONDS] + [PAUSE_SECONDS] * (len(got) - 1)


async def test_the_slow_model_keeps_the_deadline():
    asked = outbound("chat", HELLO, model="demo-slow")
    late = Outbound(asked.operation, asked.model, asked.body, False, (), asyncio.get_running_loop().time())  # noqa: FBT003

    with pytest.raises(UpstreamTimeout):
        await pieces(late)


@pytest.mark.parametrize(
    ("operation", "more", "stream"),
    [
        ("chat", {"messages": [{"role": "user", "content": "a!" * 8000}]}, False),
        ("chat", {**HELLO, "n": 8, "max_tokens": 500}, True),
        ("embeddings", {"input": ["text"] * 2000}, False),
    ],
)
async def test_others_get_their_turn_while_a_long_answer_is_made(operation, more, stream):
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.ensure_future(others())
    await pieces(outbound(operation, more, stream=stream))
    running.cancel()

    assert turns > 1
