"""What is read in the bytes of an answer, in each dialect."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import sse
from app.likeness import same_calls, same_json, similarity
from app.operations import Dialect
from app.spoken import Spoken, spoken

CALLED = (b'["look",{"a":1,"b":[2]}]',)


def stream(*events: object) -> bytes:
    return b"".join(sse.write(orjson.dumps(event)) for event in events) + sse.write(sse.DONE)


def delta(**said: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": said}]}


def tool(index: int, **function: str) -> dict[str, object]:
    return {"index": index, "function": function}


PLAIN: list[tuple[Dialect, object, Spoken]] = [
    ("chat", {"choices": [{"index": 0, "message": {"role": "assistant", "content": "two words"}}]}, Spoken("two words")),
    ("chat", {"choices": [{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]}, Spoken("a\nb")),
    ("chat", {"choices": [{"message": {"content": None, "tool_calls": [{"function": {"name": "look", "arguments": '{"b": [2], "a": 1}'}}]}}]}, Spoken("", CALLED)),
    ("completions", {"choices": [{"index": 0, "text": "two words"}]}, Spoken("two words")),
    ("responses", {"output": [{"type": "message", "content": [{"type": "output_text", "text": "two words"}]}, {"type": "function_call", "name": "look", "arguments": '{"a":1,"b":[2]}'}]}, Spoken("two words", CALLED)),
    ("messages", {"content": [{"type": "text", "text": "two words"}, {"type": "tool_use", "name": "look", "input": {"a": 1, "b": [2]}}]}, Spoken("two words", CALLED)),
    ("plain", {"data": [{"embedding": [0.1]}]}, Spoken()),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "body", "wanted"), PLAIN)
def test_a_plain_answer_is_read(dialect, body, wanted):
    assert spoken(orjson.dumps(body), dialect, streams=False) == wanted


def test_a_stream_of_chat_is_put_together():
    body = stream(
        delta(role="assistant", content=""),
        delta(content="two "),
        delta(content="words"),
        delta(tool_calls=[tool(0, name="look", arguments="")]),
        delta(tool_calls=[tool(0, arguments='{"a": 1, ')]),
        delta(tool_calls=[tool(0, arguments='"b": [2]}')]),
        {"choices": [], "usage": {}},
    )
    assert spoken(body, "chat", streams=True) == Spoken("two words", CALLED)


def test_a_stream_of_responses_ends_with_all_of_it():
    whole = {"output": [{"type": "message", "content": [{"text": "two words"}]}]}
    body = stream(
        {"type": "response.output_text.delta", "delta": "two "},
        {"type": "response.completed", "response": whole},
    )
    assert spoken(body, "responses", streams=True) == Spoken("two words")


def test_a_stream_of_messages_is_put_together():
    body = stream(
        {"type": "message_start", "message": {"content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "two words"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "name": "look", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"partial_json": '{"a":1,'}},
        {"type": "content_block_delta", "index": 1, "delta": {"partial_json": '"b":[2]}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    )  # fmt: skip
    assert spoken(body, "messages", streams=True) == Spoken("two words", CALLED)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([
                "choices",
                "delta",
                "message",
                "content",
                "text",
                "tool_calls",
                "function",
                "index",
                "output",
            ]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(ANY, st.sampled_from(["chat", "completions", "responses", "messages"]), st.booleans())
def test_an_answer_of_any_shape_says_something_or_nothing(body, dialect, streams):
    text = orjson.dumps(body)
    found = spoken(sse.write(text) if streams else text, dialect, streams=streams)
    assert isinstance(found.text, str)


@given(st.binary(max_size=60), st.booleans())
def test_bytes_of_any_kind_say_something_or_nothing(body, streams):
    assert isinstance(spoken(body, "chat", streams=streams).text, str)


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("", "", 1.0),
        ("a b", "", 0.0),
        ("The risk is high.", "the RISK, is: high", 1.0),
        ("a a b", "a b b", 2 * 2 / 6),
        ("one two three four", "one two five six", 0.5),
        ("风险很高", "风险很低", 0.75),
    ],
)
def test_texts_are_as_alike_as_their_words(one, other, wanted):
    assert similarity(one, other) == pytest.approx(wanted)


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_has_bounds_and_no_direction(one, other):
    assert 0 <= similarity(one, other) == similarity(other, one) <= 1
    assert similarity(one, one) == 1


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', True),
        ("[1]", "[2]", False),
        ("[1]", "one", False),
        ("one", "two", None),
        ("1", "2", None),
    ],
)
def test_json_is_the_same_however_it_is_written(one, other, wanted):
    assert same_json(one, other) is wanted


@pytest.mark.parametrize("arguments", ["[" * 300 + "]" * 300, '{"half', ""])
def test_arguments_that_are_no_json_or_too_deep_are_compared_as_they_are(arguments):
    call = {"function": {"name": "look", "arguments": arguments}}
    body = orjson.dumps({"choices": [{"message": {"tool_calls": [call]}}]})
    assert spoken(body, "chat", streams=False).calls == (f"look {arguments}".encode(),)


def test_calls_of_tools_are_the_same_in_any_order():
    one = [{"function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    both = [
        spoken(orjson.dumps({"choices": [{"message": {"tool_calls": calls}}]}), "chat", streams=False)
        for calls in (one, one[::-1])
    ]
    assert same_calls(*both) is True
    assert same_calls(both[0], Spoken()) is False
    assert same_calls(Spoken(), Spoken("text")) is None
