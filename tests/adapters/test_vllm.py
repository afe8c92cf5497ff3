"""What vLLM is asked otherwise than a client asked, and what it says in its own way."""

import msgspec
import pytest

from adapters.refusals import refusal
from adapters.vllm import structured
from app.contracts import Outbound
from app.operations import CHAT


def asked(**more: object) -> Outbound:
    body = msgspec.json.encode({"model": "base", "messages": []} | more)
    return Outbound(CHAT, "base", body, stream=False, headers=(), deadline=0.0)


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
