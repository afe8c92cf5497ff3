import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import sse
from app.codecs.telling import texts
from app.codecs.undoing import Undoing

PHRASES = {"§door": 'he stood at the "door"\nand waited', "§ab": "ERROR c.e.shop: 12 left"}
PIECES = st.lists(
    st.sampled_from(["§", "§do", "or", "§door", "§ab", "a", "b", " ", ".", '"', "§zz", "é", "12", "§doors"]), max_size=12
)  # fmt: skip


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return sse.write(orjson.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [choice]}))


def read(events: bytes) -> list[dict[str, Any]]:
    payloads = [sse.data(event) for event in sse.split(events)]
    return [orjson.loads(payload) for payload in payloads if payload != sse.DONE]


def told(events: bytes, name: str = "content", index: int = 0) -> str:
    """What the stream says in this choice."""
    deltas = [c["delta"] for event in read(events) for c in event["choices"] if c["index"] == index]
    if name == "arguments":
        calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
        return "".join(call["function"].get("arguments", "") for call in calls)
    return "".join(delta.get(name) or "" for delta in deltas)


def offline(text: str) -> str:
    body = orjson.dumps({"choices": [{"index": 0, "message": {"content": text}}]})
    said = orjson.loads(Undoing(PHRASES, is_json=False).body(body))
    return str(said["choices"][0]["message"]["content"])


def streamed(undoing: Undoing, events: list[bytes]) -> bytes:
    return b"".join([*map(undoing.events, events), undoing.rest()])


def test_codes_become_phrases_and_what_only_looks_like_one_stays():
    assert offline("§door, §ab; §doors §zz") == f"{PHRASES['§door']}, {PHRASES['§ab']}; §doors §zz"


@pytest.mark.parametrize("begun", ["", "```json\n"])
def test_json_that_nobody_asked_for_stays_json_in_a_stream(begun: str):
    text = begun + '{"a": "it says §door", "b": ["§ab", "x"]}'
    events = [*(chunk({"content": piece}) for piece in text), chunk({}, "stop")]
    said = told(
        streamed(Undoing(PHRASES, is_json=False), [chunk({"role": "assistant", "content": ""}), *events])
    )
    assert json.loads(said.removeprefix(begun)) == {
        "a": f"it says {PHRASES['§door']}",
        "b": [PHRASES["§ab"], "x"],
    }
    assert said == offline(text)


def test_of_several_choices_each_may_be_json_whichever_begins_later():
    events = [chunk({"content": "It says §ab."}), chunk({"content": ' And "§door".'})]
    later = [chunk({"content": piece}, index=1) for piece in ('{"a": "', "§door", '"}')]
    done = streamed(Undoing(PHRASES, is_json=False, choices=2), [*events, *later])
    assert told(done) == f'It says {PHRASES["§ab"]}. And "{PHRASES["§door"]}".'
    assert json.loads(told(done, index=1)) == {"a": PHRASES["§door"]}


def test_an_answer_without_a_code_stays_byte_for_byte():
    undoing = Undoing(PHRASES, is_json=False)
    body = b'{ "choices": [ {"message" : {"content":"plain"}} ] }'
    event = b'data: { "choices": [ {"index":0, "delta" : {"content":"plain"}} ] }\n\n'
    assert undoing.body(body) == body
    assert undoing.events(event) == event


@given(PIECES)
def test_a_stream_says_what_the_whole_answer_would_however_it_is_cut(pieces):
    events = [chunk({"role": "assistant", "content": ""}), *[chunk({"content": piece}) for piece in pieces]]
    events.append(chunk({}, "stop"))
    done = streamed(Undoing(PHRASES, is_json=False), [*events, sse.write(sse.DONE)])
    assert told(done) == offline("".join(pieces))
    assert done.endswith(sse.write(sse.DONE))
    assert all(event["choices"][0]["delta"] or event["choices"][0]["finish_reason"] for event in read(done))


@given(PIECES)
def test_what_is_held_back_is_told_where_a_stream_just_ends(pieces):
    events = [chunk({"content": piece}) for piece in pieces]
    assert told(streamed(Undoing(PHRASES, is_json=False), events)) == offline("".join(pieces))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["§", "do", "or", "ab", " ", "."])), max_size=24)
)
def test_each_choice_is_read_by_itself(said):
    events = [chunk({"content": piece}, index=index) for index, piece in said]
    done = streamed(Undoing(PHRASES, is_json=False), events)
    for index in range(3):
        assert told(done, index=index) == offline("".join(piece for each, piece in said if each == index))


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(st.recursive(st.sampled_from(["§door", "a §ab.", "§doors", "x", 1.5, None]), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["§door", "k"]), inner, max_size=2)), st.integers(1, 5), st.booleans())  # fmt: skip
def test_json_stays_json_with_phrases_in_its_values(value, size, in_arguments):
    document = json.dumps(value, ensure_ascii=False)
    if in_arguments:
        call = lambda piece: {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}  # noqa: E731
        events = [chunk(call(piece)) for piece in cut(document, size)]
    else:
        events = [chunk({"content": piece}) for piece in cut(document, size)]
    done = streamed(Undoing(PHRASES, is_json=True), [*events, chunk({}, "stop")])
    assert json.loads(told(done, "arguments" if in_arguments else "content")) == expanded(value)


def expanded(value: Any) -> Any:
    """The value with phrases for the codes in its texts; names stay."""
    if isinstance(value, dict):
        return {name: expanded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [expanded(inner) for inner in value]
    return offline(value) if isinstance(value, str) else value


ODD = {
    "nothing for calls": {"content": None, "tool_calls": None},
    "nothing for arguments": {"tool_calls": [{"index": 0, "function": {"arguments": None}}]},
    "no call": {"tool_calls": [None, {"index": [], "function": None}]},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_held_is_told_whatever_the_last_delta_holds(odd):
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"q": "§ab'}}
    done = streamed(Undoing(PHRASES, is_json=False), [chunk({"tool_calls": [call]}), chunk(odd, "length")])
    held = [c for c in read(done)[-1]["choices"][0]["delta"]["tool_calls"] if c and c["function"]]
    assert held[-1]["function"]["arguments"] == PHRASES["§ab"]


ELSEWHERE: dict[str, Callable[[str], dict[str, Any]]] = {
    "function_call": lambda text: {"function_call": {"arguments": text}},
    "custom": lambda text: {"tool_calls": [{"index": 0, "custom": {"input": text}}]},
    "parts": lambda text: {"content": [{"type": "text", "text": text}]},
    "thinking": lambda text: {
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]
    },
    "details": lambda text: {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": text}]},
}


@pytest.mark.parametrize("message", ELSEWHERE.values(), ids=ELSEWHERE)
def test_codes_are_undone_wherever_an_answer_has_texts(message):
    whole = {"choices": [{"index": 0, "message": message('{"q": "§ab"}')}]}
    answer = orjson.loads(Undoing(PHRASES, is_json=False).body(orjson.dumps(whole)))
    wanted = f'{{"q": "{PHRASES["§ab"]}"}}'
    assert answer["choices"][0]["message"] == message(wanted)
    pieces = [chunk(message(piece)) for piece in ('{"q": "§a', "b", '"}')]
    done = streamed(Undoing(PHRASES, is_json=False), [*pieces, chunk({}, "stop")])
    assert "".join(all_texts([e["choices"][0]["delta"] for e in read(done)])) == wanted
    ends = streamed(Undoing(PHRASES, is_json=False), [*pieces[:2], chunk({}, "stop")])
    assert "".join(all_texts([e["choices"][0]["delta"] for e in read(ends)])) == wanted[:-2]


def all_texts(value: Any) -> Iterator[str]:
    for delta in value:
        yield from (text.read() for text in texts(delta))


@pytest.mark.parametrize(("held", "certain"), [("§ab", PHRASES["§ab"]), ("§do", ""), ("§", ""), ("§abc", "")])
def test_where_a_stream_breaks_a_whole_code_is_told_and_no_half_of_one(held, certain):
    undoing = Undoing(PHRASES, is_json=False)
    before = undoing.events(chunk({"content": f"so {held}"}))
    assert told(before) + told(undoing.cut()) == f"so {certain}"
    assert not undoing.rest()


def test_what_is_held_is_told_before_an_error():
    undoing = Undoing(PHRASES, is_json=False)
    undoing.events(chunk({"content": "so §ab"}))
    error = sse.write(b'{"error":{"message":"gpu"}}')
    assert undoing.events(error) == chunk({"content": PHRASES["§ab"]}) + error
