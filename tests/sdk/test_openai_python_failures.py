"""The official `openai` package, unmodified, on everything that fails: each failure is the SDK's own exception."""

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.sdk.asked import PLACE, user
from tests.sdk.conftest import NARROW_KEY, Gateway

LONG = "x?chunks=1000&gap=0.02"


def ask(client: OpenAI, model: str = "demo", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=user("Hello"), **more)


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 99}, "n"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"top_logprobs": 2}, "top_logprobs"),
        (
            {"tools": [{"type": "function", "function": {"name": "not a name", "parameters": PLACE}}]},
            "tools[0].function.name",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "spoon"}},
                }
            },
            "response_format.json_schema.schema",
        ),
    ],
)
def test_a_wrong_member_is_a_bad_request_that_names_it(client: OpenAI, members: dict[str, Any], param: str):
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, **members)

    assert raised.value.param == param
    assert raised.value.type == "invalid_request_error"
    assert raised.value.request_id


def test_a_wrong_member_of_a_streamed_call_is_a_bad_request_too(client: OpenAI):
    with pytest.raises(openai.BadRequestError):
        ask(client, temperature=3, stream=True)


def test_an_unknown_key_is_an_authentication_error(client: OpenAI):
    stranger = client.with_options(api_key="hb-stranger")

    for asking in (lambda: ask(stranger), stranger.models.list):
        with pytest.raises(openai.AuthenticationError) as raised:
            asking()
        assert raised.value.code == "invalid_api_key"


def test_a_model_outside_the_keys_list_is_permission_denied(client: OpenAI):
    narrow = client.with_options(api_key=NARROW_KEY)

    assert ask(narrow).choices
    with pytest.raises(openai.PermissionDeniedError) as raised:
        ask(narrow, "slow")
    assert raised.value.code == "model_not_allowed"


@pytest.mark.parametrize("model", ["dmeo", "demo/nothing", "nowhere/demo"])
def test_an_unknown_model_is_not_found(client: OpenAI, model: str):
    with pytest.raises(openai.NotFoundError) as raised:
        ask(client, model)

    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(model)


def test_what_the_gateway_does_not_offer_is_not_found(client: OpenAI):
    with pytest.raises(openai.NotFoundError) as raised:
        client.moderations.create(input="Hello")

    assert raised.value.code == "unknown_url"


@pytest.mark.parametrize(
    ("behaviour", "failure", "status"),
    [
        ("status=409", openai.ConflictError, 409),
        ("status=422&dialect=nebius", openai.UnprocessableEntityError, 422),
        ("status=429", openai.RateLimitError, 429),
        ("status=401", openai.InternalServerError, 502),  # the gateway's own key is not the client's matter
        ("status=500&dialect=html", openai.InternalServerError, 502),
        ("status=503", openai.InternalServerError, 503),
        ("cut=0", openai.InternalServerError, 502),
        ("head=9", openai.InternalServerError, 504),
    ],
)
def test_an_upstreams_failure_is_the_sdks_exception(
    client: OpenAI, behaviour: str, failure: type[openai.APIStatusError], status: int
):
    with pytest.raises(failure) as raised:
        ask(client.with_options(max_retries=0), f"twin/x?{behaviour}")

    assert raised.value.status_code == status
    assert raised.value.request_id


def test_a_stream_that_breaks_raises_after_what_had_come(client: OpenAI):
    came: list[str] = []

    with pytest.raises(openai.APIError, match="broke") as raised:
        came += (
            chunk.choices[0].delta.content or ""
            for chunk in ask(client, "twin/x?cut=4", stream=True, logprobs=True)
        )

    assert raised.value.code == "upstream_broken"
    assert "".join(came) == "word0 word1 word2 word3 "


def test_a_closed_port_is_a_connection_error():
    nowhere = OpenAI(base_url="http://127.0.0.1:1/v1", api_key="none", max_retries=0)

    with nowhere as client, pytest.raises(openai.APIConnectionError):
        ask(client)


@pytest.mark.parametrize("stream", [False, True])
def test_the_clients_own_timeout_is_a_timeout_error(client: OpenAI, stream):
    impatient = client.with_options(timeout=0.05, max_retries=0)

    with pytest.raises(openai.APITimeoutError):
        ask(impatient, "slow", stream=stream)


def test_a_gap_in_a_stream_is_a_timeout_error(client: OpenAI):
    impatient = client.with_options(timeout=0.2, max_retries=0)

    with pytest.raises(openai.APITimeoutError):
        list(ask(impatient, "twin/x?stall=2", stream=True))


@pytest.mark.parametrize("status", [429, 503])
def test_the_sdk_retries_when_the_upstream_says_it_should(client: OpenAI, gateway: Gateway, status: int):
    model = f"x?status={status}&retry_after=0.01&pad=1"

    with pytest.raises(openai.APIStatusError) as raised:
        ask(client.with_options(max_retries=2), f"once-{status}")

    assert raised.value.response.headers["retry-after"] == "0.01"
    assert len(gateway.asked(model)) == 3


def test_a_bad_request_is_not_retried(client: OpenAI, gateway: Gateway):
    model = "x?status=400&pad=2"

    with pytest.raises(openai.BadRequestError):
        ask(client.with_options(max_retries=2), f"twin/{model}")

    assert len(gateway.asked(model)) == 1


def test_a_stream_closed_early_lets_the_upstream_go(client: OpenAI, gateway: Gateway):
    with ask(client, f"twin/{LONG}", stream=True) as stream:
        assert next(iter(stream)).id == "chatcmpl-twin"

    eventually(lambda: gateway.asked(LONG)[-1].left is not None)


async def test_the_asynchronous_client_does_the_same(client: OpenAI, gateway: Gateway):
    async with openai.AsyncOpenAI(
        base_url=client.base_url, api_key=client.api_key, max_retries=0
    ) as asynchronous:
        chats = asynchronous.chat.completions
        with pytest.raises(openai.BadRequestError):
            await chats.create(model="demo", messages=user("Hello"), temperature=3)
        with pytest.raises(openai.APITimeoutError):
            await chats.create(model="slow", messages=user("Hello"), timeout=0.05)
        async with await chats.create(model=f"twin/{LONG}", messages=user("Hello"), stream=True) as stream:
            assert (await anext(aiter(stream))).id == "chatcmpl-twin"

    eventually(lambda: gateway.asked(LONG)[-1].left is not None)
