import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.operations import CHAT, EMBEDDINGS, RERANK
from app.wire import Members, Request

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=8)
STYLES = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(OBJECTS, STYLES)
def test_every_member_is_found_where_it_stands(found, style):
    text = json.dumps(found, **style)
    if not _encodable(text) or "\\ud" in text.lower():
        return

    members = Members.of(text.encode())

    assert {name: members.value(name) for name in members.spans} == found


@given(
    OBJECTS, st.dictionaries(st.sampled_from(["model", "a", "новое", 'q"uote']), VALUES, min_size=1), STYLES
)
def test_replacing_members_changes_those_and_no_other(found, new, style):
    text = json.dumps(found, **style)
    if not _encodable(text) or "\\ud" in text.lower():
        return
    encoded = {name: json.dumps(value).encode() for name, value in new.items()}

    replaced = Members.of(text.encode()).replaced(encoded)

    assert json.loads(replaced) == found | new
    assert Members.of(text.encode()).changed(encoded) == Members.of(replaced)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_request_or_a_bad_request(body):
    with contextlib.suppress(BadRequest):
        assert Request.parse(body, CHAT).members.body is body


@given(OBJECTS.filter(bool), st.data())
def test_a_member_named_twice_is_refused(found, data):
    twice = data.draw(st.sampled_from(sorted(found)))
    text = json.dumps(found)[:-1] + f", {json.dumps(twice)}: 1}}"
    if "\\ud" in text.lower():
        return

    with pytest.raises(BadRequest, match="twice"):
        Members.of(text.encode())


def test_an_escaped_second_name_is_the_same_name():
    with pytest.raises(BadRequest, match="twice"):
        Members.of(b'{"model": "cheap", "mod\\u0065l": "dear"}')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no body"),
        (b"{", "not valid JSON"),
        (b"[]", "JSON object"),
        (b'"text"', "JSON object"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": Infinity}', "not valid JSON"),
        (b'{"a": 1} trailing', "not valid JSON"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b'\xef\xbb\xbf{"model": "a", "messages": []}', "not valid JSON"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"{" + b",".join(b'"%d":0' % n for n in range(1001)) + b"}", "more than 1000 members"),
        (b'{"model": "a"}', "'messages' is missing"),
        (b'{"model": "a", "messages": {}}', "'messages' must be an array"),
        (b'{"messages": []}', "'model' is missing"),
        (b'{"model": 1, "messages": []}', "'model' must be a string"),
        (b'{"model": "", "messages": []}', "1 to 256 characters"),
        (b'{"model": "a", "messages": [], "stream": "yes"}', "'stream' must be true or false"),
        (b'{"model": "a", "messages": [], "stream_options": 1}', "'stream_options' must be an object"),
    ],
)
def test_a_bad_body_is_told_what_is_wrong_with_it(body, message):
    with pytest.raises(BadRequest, match=message):
        Request.parse(body, CHAT)


def test_an_operation_without_streams_refuses_one():
    with pytest.raises(BadRequest, match="does not stream"):
        Request.parse(b'{"model": "a", "input": "x", "stream": true}', EMBEDDINGS)


def test_each_operation_asks_for_its_own_members():
    with pytest.raises(BadRequest, match="'query' is missing"):
        Request.parse(b'{"model": "a"}', RERANK)


def test_a_request_says_what_was_asked():
    body = b'{"model": "a", "messages": [], "stream": true, "stream_options": {"include_usage": true}}'

    request = Request.parse(body, CHAT)

    assert (request.model, request.stream, request.include_usage) == ("a", True, True)
    assert request.members.replaced({}) is body
