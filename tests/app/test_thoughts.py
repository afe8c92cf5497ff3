"""A model's thoughts under both names, and every other byte as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import sse
from app.thoughts import named_twice

HEAD = '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":['


def event(*deltas: str, end: str = "\n\n") -> bytes:
    choices = ",".join(
        f'{{"index":{n},"delta":{delta},"finish_reason":null}}' for n, delta in enumerate(deltas)
    )
    return f"data: {HEAD}{choices}]}}{end}".encode()


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ('{"reasoning":"hm"}', '{"reasoning":"hm","reasoning_content":"hm"}'),
        ('{"reasoning_content":"hm"}', '{"reasoning_content":"hm","reasoning":"hm"}'),
        (
            '{"role":"assistant","content":null,"reasoning":"a"}',
            '{"role":"assistant","content":null,"reasoning":"a","reasoning_content":"a"}',
        ),
        ('{"reasoning":"a","content":"b"}', '{"reasoning":"a","content":"b","reasoning_content":"a"}'),
        ('{ "reasoning" : "a" }', '{ "reasoning" : "a" ,"reasoning_content":"a"}'),
        ('{"reasoning":"a","reasoning_content":null}', '{"reasoning":"a","reasoning_content":"a"}'),
        ('{"reasoning":"","reasoning_content":"a"}', '{"reasoning":"a","reasoning_content":"a"}'),
        (
            r'{"reasoning":"\"\\\u041f 🦊"}',
            r'{"reasoning":"\"\\\u041f 🦊","reasoning_content":"\"\\\u041f 🦊"}',
        ),
        (
            '{"reasoning":"a","tool_calls":[{"function":{"arguments":"{}"}}]}',
            '{"reasoning":"a","tool_calls":[{"function":{"arguments":"{}"}}],"reasoning_content":"a"}',
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
def test_a_thought_under_one_name_stands_under_the_other_too(sent, got, end):
    assert named_twice(event(sent, end=end), stream=True) == event(got, end=end)


@pytest.mark.parametrize(
    "delta",
    [
        '{"content":"word"}',
        '{"content":"\\"reasoning\\":\\"no thought\\""}',
        '{"reasoning":null,"content":"word"}',
        '{"reasoning":"","reasoning_content":""}',
        '{"reasoning":"a","reasoning_content":"a"}',
        '{"reasoning":"a","reasoning_content":"b"}',
        '{"reasoning":{"of":"another kind"}}',
        '{"reasoning_details":[{"text":"a"}]}',
        '{"tool_calls":[{"function":{"arguments":"{\\"reasoning\\":\\"a\\"}"}}]}',
        '{"tool_calls":[{"reasoning":"a"}]}',
        '{"reasoning":"a","reasoning":"b"}',
    ],
)
def test_where_there_is_none_or_both_nothing_is_touched(delta):
    assert named_twice(event(delta), stream=True) == event(delta)


def test_a_thought_of_something_else_than_a_choice_is_left_alone():
    body = b'{"choices":[{"message":{"content":"a"}}],"reasoning":"of the answer","usage":{"reasoning":"x"}}'

    assert named_twice(body, stream=False) == body


def test_each_choice_is_looked_at_for_itself():
    sent = event('{"reasoning":"a"}', '{"content":"b"}', '{"reasoning":"c","reasoning_content":"c"}')

    assert named_twice(sent, stream=True) == event(
        '{"reasoning":"a","reasoning_content":"a"}',
        '{"content":"b"}',
        '{"reasoning":"c","reasoning_content":"c"}',
    )


def test_a_piece_may_hold_many_events():
    both = '{"reasoning":"b","reasoning_content":"b"}'
    sent = [event('{"reasoning":"a"}'), b": ping\n\n", event(both), event('{"content":"c"}')]
    last = [b"data: [DONE]\n\n", b"event: error\ndata: not json\n\n"]

    assert named_twice(b"".join(sent + last), stream=True) == b"".join([
        event('{"reasoning":"a","reasoning_content":"a"}'),
        *sent[1:],
        *last,
    ])


def test_the_message_of_a_plain_answer_has_both_names():
    body = b'{"choices": [{"message": {"content": "4", "reasoning_content": "2+2"}}], "usage": {}}'

    got = named_twice(body, stream=False)

    message = json.loads(got)["choices"][0]["message"]
    assert message == {"content": "4", "reasoning_content": "2+2", "reasoning": "2+2"}
    assert got.replace(b',"reasoning":"2+2"', b"").replace(b',"reasoning": "2+2"', b"") == body.replace(
        b"", b""
    )


@pytest.mark.parametrize("body", [b"[]", b'{"choices":"x","reasoning":"a"}', b'{"reasoning":"a"', b"\xff"])
def test_what_has_another_shape_is_left_alone(body):
    assert named_twice(body, stream=False) == body


TEXT = st.text(max_size=12) | st.sampled_from([
    '"reasoning":"a"',
    '","reasoning_content":"',
    "\\",
    '"delta":{',
])
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.none() | TEXT,
        "reasoning": st.none() | TEXT,
        "reasoning_content": st.none() | TEXT,
        "tool_calls": st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2),
    },
)


def both_names(delta: dict) -> dict:
    """What is to become of a delta."""
    said = [delta[name] for name in ("reasoning", "reasoning_content") if delta.get(name)]
    return delta | {"reasoning": said[0], "reasoning_content": said[0]} if len(said) == 1 else delta


@given(st.lists(st.lists(DELTAS, max_size=3), max_size=4), st.booleans(), st.booleans())
def test_events_hold_what_they_held_and_both_names(events, compact, ascii_only):
    separators = (",", ":") if compact else None
    chunks = [
        {"id": "c", "choices": [{"index": n, "delta": delta} for n, delta in enumerate(deltas)]}
        for deltas in events
    ]
    sent = b"".join(
        sse.write(json.dumps(chunk, separators=separators, ensure_ascii=ascii_only).encode())
        for chunk in chunks
    )

    got = named_twice(sent, stream=True)

    found = [json.loads(sse.data(each)) for each in sse.split(got)]
    assert [[choice["delta"] for choice in chunk["choices"]] for chunk in found] == [
        [both_names(delta) for delta in deltas] for deltas in events
    ]
    if found == chunks:
        assert got == sent
