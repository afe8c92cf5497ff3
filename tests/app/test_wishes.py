from dataclasses import replace

import msgspec
import pytest

from app.contracts import NO_WISHES, Wishes
from app.errors import BadRequest
from app.operations import CHAT
from app.wire import Request
from app.wishes import HEARTBEAT, TIMEOUT, heartbeat_seconds, timeout_seconds, wishes


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"20", 20), (b"0.30000000000000004", 0.3), (b"86400", 86400)]
)
def test_a_timeout_is_a_number_of_seconds(value, seconds):
    assert timeout_seconds({TIMEOUT: value}) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", [b"", b"0", b"-1", b"+1", b"1_0", b"1e3", b"nan", b"inf", b" 5", b"86400.5", b"\xb2"]
)
def test_what_is_no_number_of_seconds_is_refused(value):
    with pytest.raises(BadRequest):
        timeout_seconds({TIMEOUT: value})


def test_a_heartbeat_of_0_is_none_at_all():
    assert heartbeat_seconds({HEARTBEAT: b"0"}) == 0
    with pytest.raises(BadRequest):
        heartbeat_seconds({HEARTBEAT: b"1_0"})


def wished(headers=None, **members):
    body = {"model": "m", "messages": [], **members}
    return wishes(headers or {}, Request.parse(msgspec.json.encode(body), CHAT))


def test_who_asks_for_nothing_has_no_wishes():
    assert wished() is NO_WISHES
    assert wished(hyperbridge=None, models=[]) == replace(NO_WISHES, presets=[])


def test_wishes_stand_in_the_request():
    asked = wished(
        hyperbridge={
            "mode": "code",
            "preset": ["risk", "short"],
            "template": "code",
            "variables": {
                "language": "Rust",
                "limit": 3,
                "constraints": ["no unsafe", "no std"],
                "tests": True,
            },
            "thinking": "off",
            "conversation": "c1",
        },
        models=["b", "c"],
    )

    assert asked == Wishes(
        "code",
        ["risk", "short"],
        "code",
        {"language": "Rust", "limit": "3", "constraints": "no unsafe, no std", "tests": "true"},
        "off",
        "c1",
        ("b", "c"),
    )


def test_headers_stand_in_where_the_request_says_nothing():
    headers = {
        b"x-hyperbridge-mode": b"code",
        b"x-hyperbridge-preset": b"risk, short",
        b"x-hyperbridge-template": b"reasoning",
        b"x-hyperbridge-thinking": b"on",
        b"x-hyperbridge-conversation": b"c2",
    }

    assert wished(headers) == Wishes("code", ["risk", "short"], "reasoning", {}, "on", "c2")
    assert wished(headers, hyperbridge={"mode": "deep"}).mode == "deep"


@pytest.mark.parametrize(
    "asked",
    [
        {"mood": "code"},
        {"mode": 1},
        {"thinking": "maybe"},
        {"variables": {"x": {}}},
        {"preset": ["a"] * 9},
        {"mode": "x" * 65},
        [],
        "code",
    ],
)
def test_what_is_no_wish_is_refused_with_what_there_is(asked):
    with pytest.raises(
        BadRequest, match="mode, preset, template, variables, thinking, conversation"
    ) as refused:
        wished(hyperbridge=asked)
    assert refused.value.param == "hyperbridge"


def test_a_refusal_is_short_however_long_the_wish():
    with pytest.raises(BadRequest) as refused:
        wished(hyperbridge={"x" * 100_000: 1})
    assert len(refused.value.message) < 400


def test_a_header_that_is_no_thinking_is_refused():
    with pytest.raises(BadRequest, match="on, off, auto"):
        wished({b"x-hyperbridge-thinking": b"yes"})


@pytest.mark.parametrize("models", ["b", [1], ["x" * 257], [""], ["b"] * 9])
def test_models_is_a_list_of_names(models):
    with pytest.raises(BadRequest, match="'models' must be a list"):
        wished(models=models)


def test_the_first_of_models_stands_in_for_a_model_that_is_not_named():
    request = Request.parse(b'{"models":["a","b"],"messages":[]}', CHAT)

    assert (request.model, list(request.models)) == ("a", ["b"])


def test_no_upstream_sees_what_is_meant_for_the_gateway():
    body = b'{"hyperbridge":{"mode":"code"}, "model":"m","messages": [ 1.50 ],"models":["b"],"x" : "\\u00e9"}'
    sent = Request.parse(body, CHAT).for_upstreams().members

    assert sent.body == b'{"model":"m","messages":[ 1.50 ],"x":"\\u00e9"}'


def test_a_request_without_wishes_goes_on_as_it_came():
    request = Request.parse(b'{ "model" : "m", "messages":[] }', CHAT)

    assert request.for_upstreams() is request
