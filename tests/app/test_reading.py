import pytest

from app import sse
from app.operations import Dialect
from app.reading import Malformed, Reading


def read(dialect: Dialect, *events: bytes) -> Reading:
    reading = Reading(dialect)
    reading.events(b"".join(map(sse.write, events)))
    return reading


def test_a_role_is_no_content_and_words_thoughts_and_calls_are():
    assert not read("chat", b'{"choices":[{"delta":{"role":"assistant","content":""}}]}').started
    for delta in (b'{"content":"a"}', b'{"reasoning":"a"}', b'{"tool_calls":[{"index":0}]}'):
        assert read("chat", b'{"choices":[{"delta":%b}]}' % delta).started


def test_a_finish_says_that_the_answer_is_whole_and_done_that_nothing_follows():
    finished = read("chat", b'{"choices":[{"delta":{},"finish_reason":"stop"}]}')
    assert (finished.finish, finished.finished, finished.ended) == ("stop", True, False)
    assert read("chat", sse.DONE).ended


def test_an_answer_of_several_choices_is_whole_when_each_has_finished():
    choices = [b'{"choices":[{"index":%d,"delta":{"role":"assistant"}}]}' % index for index in (0, 1)]
    ends = [b'{"choices":[{"index":%d,"delta":{},"finish_reason":"stop"}]}' % index for index in (0, 1)]

    assert not read("chat", *choices, ends[1]).finished
    assert read("chat", *choices, ends[1], ends[0]).finished
    assert read("chat", *choices, sse.DONE).finished


@pytest.mark.parametrize(
    ("dialect", "event"),
    [
        ("chat", b'{"error":{"message":"x"}}'),
        ("chat", b'{"object":"error","message":"x"}'),
        ("responses", b'{"type":"error","message":"x","code":null}'),
        ("responses", b'{"type":"response.failed","response":{"status":"failed","error":{"message":"x"}}}'),
        ("messages", b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}'),
    ],
)
def test_an_error_is_one_in_every_dialect(dialect, event):
    reading = read(dialect, event)

    assert (reading.failed, reading.ended) == (True, True)


@pytest.mark.parametrize(
    "odd", [b'"type":500', b'"status":500', b'"message":["a"]', b'"usage":""', b'"choices":{}']
)
@pytest.mark.parametrize("error", [b'"error":{"message":"x"}', b'"error":"x"', b'"object":"error"'])
def test_an_error_is_one_whatever_is_beside_it(odd, error):
    both = b"{%b,%b}" % (error, odd)
    whole = Reading("chat")
    whole.whole(both)

    for reading in (whole, read("chat", both)):
        assert (reading.failed, reading.ended) == (True, True)
    assert read("chat", both).content_events == 0


def test_an_error_is_the_last_thing_that_is_read():
    word = b'{"choices":[{"delta":{"content":"%b"}}]}'
    failing = b'{"error":{"message":"x"},"choices":[{"delta":{"content":"two"}}]}'
    reading = Reading("chat", keeps_text=True)

    reading.events(b"".join(map(sse.write, (word % b"one ", failing, word % b"three", b"{"))))
    reading.events(sse.write(word % b"four"))

    assert reading.said is not None
    assert (reading.failed, reading.said.text, reading.content_events) == (True, "one ", 1)


def test_an_empty_error_beside_words_is_none():
    for nothing in (b'""', b"false", b"{}", b"null"):
        reading = read("chat", b'{"error":%b,"choices":[{"delta":{"content":"a"}}]}' % nothing)
        assert (reading.failed, reading.started) == (False, True)


@pytest.mark.parametrize("event", [b'{"error":null,"choices":[]}', b'{"type":"response.completed"}'])
def test_what_is_none_is_not_taken_for_one(event):
    assert not read("responses", event).failed


def test_an_event_of_an_unknown_shape_is_content_and_one_that_is_no_json_is_malformed():
    assert read("chat", b'{"choices":"odd"}').started
    with pytest.raises(Malformed):
        read("chat", b'{"choices":')


def test_what_is_handed_on_unread_is_not_plain_text():
    reading = Reading("chat", keeps_text=True)
    reading.events(sse.write(b'{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1.5}}'))

    assert reading.said is not None
    assert (reading.said.text, reading.said.plain) == ("", False)


def test_usage_grows_over_the_events():
    reading = read(
        "messages",
        b'{"type":"message_start","message":{"usage":{"input_tokens":5}}}',
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":8}}',
    )

    assert reading.usage is not None
    assert (reading.usage.input_tokens, reading.usage.output_tokens, reading.finish) == (5, 8, "end_turn")
