"""The bounds of a request: depth as a reference counts it, whatever the text looks like."""

import asyncio
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bounds import Bounds, depths
from app.contracts import Call, Caller
from app.errors import BadRequest, PromptTooLong
from app.operations import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, Operation
from app.wire import Request

TEXTS = st.one_of(st.text(max_size=8), st.text(alphabet='[]{}"\\\n', max_size=12))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=30,
)


def reference(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(reference, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(reference, value), default=0)
    return 0


def call(body: bytes, operation: Operation = CHAT) -> Call:
    return Call("id", operation, Request.parse(body, operation), Caller("a"), (), 0.0)


def check(bounds: Bounds, asked: Call) -> None:
    asyncio.run(bounds.check(asked))


def depth(text: bytes) -> int:
    return max(depths(text))


def is_refused(bounds: Bounds, body: bytes, operation: Operation = CHAT) -> bool:
    try:
        check(bounds, call(body, operation))
    except (BadRequest, PromptTooLong):
        return True
    return False


@given(value=VALUES, indent=st.sampled_from([None, 0, 3]), escapes=st.booleans())
def test_a_text_is_as_deep_as_its_values_are_nested(value, indent, escapes):
    assert depth(json.dumps(value, indent=indent, ensure_ascii=escapes).encode()) == reference(value)


@given(
    value=VALUES,
    more=st.integers(0, 12),
    padding=st.sampled_from(["", "[" * 40, "a" * 20_000, '"\\[{' * 3000]),
    most=st.integers(1, 12),
    indent=st.sampled_from([None, 2]),
)
def test_a_body_is_refused_where_it_is_deeper_than_the_bound_and_nowhere_else(
    value, more, padding, most, indent
):
    for _ in range(more):
        value = [value, padding]
    message = {"role": "user", "content": padding, "extra": value}
    body = {"model": "m", "messages": [message, {}], "tools": value}

    refused = is_refused(Bounds(most, 10_000), json.dumps(body, indent=indent).encode())

    assert refused == (reference(body) > most)


@pytest.mark.parametrize("padding", [b"", b"x" * 30_000, b"[" * 200])
def test_a_member_that_stands_twice_hides_no_depth(padding):
    deep = b"[" * 101 + b"]" * 101
    inner = b'{"a":' + deep + b',"b":"' + padding + b'","a":1}'
    body = b'{"model":"m","messages":[' + inner + b"]}"

    with pytest.raises(
        BadRequest, match=r"nested at least 104 deep; at most 100 are allowed \(server\.max_depth\)"
    ):
        check(Bounds(100, 10_000), call(body))


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (CHAT, {"messages": [{}] * 21}),
        (MESSAGES, {"messages": [{"role": "user", "content": "x"}] * 21}),
        (RESPONSES, {"input": [1] * 21}),
    ],
)
def test_messages_are_counted_where_the_operation_has_them(operation, body):
    [name] = body
    encoded = json.dumps({"model": "m"} | body).encode()

    check(Bounds(100, 21), call(encoded, operation))
    with pytest.raises(
        BadRequest, match=rf"'{name}' has at least 21 items; at most 20 are allowed"
    ) as refused:
        check(Bounds(100, 20), call(encoded, operation))
    assert refused.value.param == name


@given(
    items=st.lists(VALUES, min_size=1, max_size=12),
    most=st.integers(1, 12),
    indent=st.sampled_from([None, 1]),
)
def test_messages_are_as_many_as_the_array_has_items_whatever_these_are(items, most, indent):
    body = json.dumps({"model": "m", "messages": items}, indent=indent).encode()

    assert is_refused(Bounds(500, most), body) == (len(items) > most)


@pytest.mark.parametrize("shift", range(8))
def test_nothing_is_lost_where_one_block_of_a_scan_ends_and_the_next_begins(shift):
    item = ["[" * 5, {"a": "\\", 'b"': []}, 1, 2]
    body = json.dumps({"model": "m", "x": "y" * shift, "messages": [item] * 9000}).encode()

    assert depth(body) == 5
    assert not is_refused(Bounds(5, 9000), body)
    assert is_refused(Bounds(4, 9000), body)
    assert is_refused(Bounds(5, 8999), body)


@pytest.mark.parametrize("item", [b"1,", b"[],", b'"[[",[],', b"{},"])
def test_a_count_makes_no_objects_of_what_it_counts(item):
    asked = call(b'{"model":"m","messages":[' + item * (2**21 // len(item)) + b"1]}")
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match=r"at least \d+ items; at most 10000"):
            check(Bounds(256, 10_000), asked)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_an_input_that_is_a_text_has_no_messages():
    assert not is_refused(Bounds(100, 2), b'{"model":"m","input":"[1,2,3,4,5]"}', RESPONSES)
    assert not is_refused(Bounds(100, 2), b'{"model":"m","prompt":[1,2,3,4,5,6,7]}', COMPLETIONS)


def test_a_prompt_is_bounded_by_its_tokens_and_the_tighter_bound_is_named():
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word" * 100}]}).encode()

    assert not is_refused(Bounds(100, 100, 100), body)
    with pytest.raises(PromptTooLong, match=r"about 100 tokens; at most 99 are allowed \(server\."):
        check(Bounds(100, 100, 99, {"m": 1000}), call(body))
    with pytest.raises(
        PromptTooLong, match=r"at most 50 are allowed \(models\.m\.max_prompt_tokens\)"
    ) as told:
        check(Bounds(100, 100, 99, {"m": 50, "other": 1}), call(body))
    assert (told.value.status, told.value.code) == (400, "context_length_exceeded")


def test_images_of_a_short_body_are_bounded_by_their_tokens():
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [image] * 3}]}).encode()

    assert not is_refused(Bounds(100, 100, 3000), body)
    with pytest.raises(PromptTooLong, match="about 3000 tokens"):
        check(Bounds(100, 100, 2999), call(body))


def test_a_prompt_in_tokens_is_counted_by_its_tokens():
    body = json.dumps({"model": "m", "prompt": list(range(300, 420))}).encode()

    assert not is_refused(Bounds(100, 100, 120), body, COMPLETIONS)
    assert is_refused(Bounds(100, 100, 119), body, COMPLETIONS)


@pytest.mark.parametrize(("operation", "name"), [(COMPLETIONS, "prompt"), (EMBEDDINGS, "input")])
def test_a_prompt_of_tokens_of_a_digit_each_is_bounded_too(operation, name):
    body = json.dumps({"model": "m", name: [1] * 1001}, separators=(",", ":")).encode()

    assert not is_refused(Bounds(100, 100, 1001), body, operation)
    assert is_refused(Bounds(100, 100, 1000), body, operation)


@pytest.mark.parametrize("body", [b"[" * 200 + b"[]," * 2**21 + b"1" + b"]" * 200, b'",",' * 2**21 + b"1"])
async def test_while_a_large_body_is_scanned_others_go_on(body):
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(go_on())
    await Bounds(256, 2**22).check(call(b'{"model":"m","messages":[' + body + b"]}"))
    other.cancel()

    assert turns > len(body) // 2**16


def test_a_body_is_scanned_no_further_than_where_it_is_too_deep():
    scanned = depths(b"[" * 2**22)

    assert next(scanned) == 2**16
