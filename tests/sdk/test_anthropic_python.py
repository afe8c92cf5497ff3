"""The official `anthropic` package, unmodified."""

from collections.abc import Generator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from tests.sdk.asked import NAMES, PIXEL, PLACE, QUESTION, Trip, user
from tests.sdk.conftest import KEY, NARROW_KEY, Gateway

TOOLS: list[Any] = [{"name": name, "input_schema": PLACE} for name in NAMES]


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Generator[Anthropic]:
    with Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as asking:
        yield asking


def ask(client: Anthropic, content: Any = "Hello", **more: Any) -> Any:
    members: dict[str, Any] = {"model": "demo", "max_tokens": 500, "messages": user(content)}
    return client.messages.create(**members | more)


def test_a_message_is_answered_with_usage_and_a_reason(client: Anthropic):
    answer = ask(client, "ping", system="Be short.")

    assert [block.text for block in answer.content] == ["pong"]
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens == 1


def test_a_message_ends_where_it_is_told_to(client: Anthropic):
    cut = ask(client, max_tokens=3)
    stopped = ask(client, stop_sequences=["gateway"])

    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 3)
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "gateway")


def test_a_streamed_message_says_what_a_plain_one_says(client: Anthropic):
    plain = ask(client)
    asked = client.messages.stream(model="demo", max_tokens=500, messages=user("Hello"))
    with asked as stream:
        text = "".join(stream.text_stream)
        whole = stream.get_final_message()

    assert text == plain.content[0].text
    assert whole.usage.output_tokens == plain.usage.output_tokens
    assert whole.stop_reason == "end_turn"


def test_raw_events_come_in_anthropics_order(client: Anthropic):
    kinds = [event.type for event in ask(client, "ping", stream=True)]

    assert list(dict.fromkeys(kinds)) == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_tools_are_used_in_parallel_and_their_results_are_heard(client: Anthropic):
    conversation = user(QUESTION)
    asked = ask(client, messages=conversation, tools=TOOLS)
    uses = [block for block in asked.content if block.type == "tool_use"]
    assert asked.stop_reason == "tool_use"
    assert tuple(use.name for use in uses) == NAMES
    assert all(use.input["city"] for use in uses)

    conversation.append({"role": "assistant", "content": asked.content})
    results = [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"} for use in uses]
    answered = ask(client, messages=[*conversation, {"role": "user", "content": results}], tools=TOOLS)
    assert "sunny" in answered.content[0].text


def test_a_streamed_tool_use_is_put_together(client: Anthropic):
    asked = client.messages.stream(
        model="demo", max_tokens=500, messages=user(QUESTION), tools=TOOLS, tool_choice={"type": "any"}
    )
    with asked as stream:
        uses = [block for block in stream.get_final_message().content if block.type == "tool_use"]

    assert tuple(use.name for use in uses) == NAMES
    assert all(use.input for use in uses)


def test_thinking_is_a_block_of_its_own(client: Anthropic):
    answer = ask(client, max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024})

    assert [block.type for block in answer.content] == ["thinking", "text"]


def test_an_image_is_taken(client: Anthropic):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    answer = ask(client, [{"type": "text", "text": "Look"}, {"type": "image", "source": source}])

    assert "1 image" in answer.content[0].text


def test_a_message_is_parsed_into_a_pydantic_model(client: Anthropic):
    answer = client.messages.parse(
        model="demo", max_tokens=500, messages=user("3 days in Rome"), output_format=Trip
    )

    assert answer.parsed_output is not None
    assert (answer.parsed_output.city, answer.parsed_output.days) == ("Rome", 3)


def test_tokens_are_counted_as_the_answer_counts_them(client: Anthropic):
    counted = client.messages.count_tokens(model="demo", messages=user("Hello"))

    assert counted.input_tokens == ask(client).usage.input_tokens


@pytest.mark.parametrize(
    ("members", "failure"),
    [
        ({"extra_body": {"temperature": 3}}, anthropic.BadRequestError),
        ({"messages": []}, anthropic.BadRequestError),
        ({"model": "dmeo"}, anthropic.NotFoundError),
        ({"model": "twin/x"}, anthropic.InternalServerError),  # it does not speak this interface: 501
    ],
)
def test_a_wrong_request_is_the_sdks_exception(
    client: Anthropic, members: dict[str, Any], failure: type[anthropic.APIStatusError]
):
    with pytest.raises(failure) as raised:
        ask(client, **members)

    assert isinstance(raised.value.body, dict)
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["message"]


def test_keys_are_known_by_anthropics_header_too(client: Anthropic):
    with pytest.raises(anthropic.AuthenticationError):
        ask(client.with_options(api_key="stranger"))
    with pytest.raises(anthropic.PermissionDeniedError):
        ask(client.with_options(api_key=NARROW_KEY), model="slow")


def test_the_clients_own_timeout_is_a_timeout_error(client: Anthropic):
    with pytest.raises(anthropic.APITimeoutError):
        ask(client.with_options(timeout=0.05), model="slow")


async def test_the_asynchronous_client_does_the_same(gateway: Gateway):
    async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key=KEY) as client:
        plain = await client.messages.create(model="demo", max_tokens=500, messages=user("ping"))
        async with client.messages.stream(model="demo", max_tokens=500, messages=user("ping")) as stream:
            text = "".join([piece async for piece in stream.text_stream])

    assert plain.content[0].type == "text"
    assert plain.content[0].text == text == "pong"
