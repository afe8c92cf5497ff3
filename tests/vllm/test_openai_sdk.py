"""The official OpenAI SDK, unmodified, over the gateway and a real vLLM."""

import json
from collections.abc import AsyncGenerator
from typing import Literal

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.support.gateway import Served
from tests.vllm.asking import MESSAGES, blanks, chat


class Order(BaseModel):
    side: Literal["buy", "sell"]
    whole: bool


class Price(BaseModel):
    symbol: Literal["AAA", "BBB"]


@pytest.fixture
async def sdk(gateway: Served) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


async def test_models_are_listed_and_retrieved(sdk):
    listed = [model.id async for model in sdk.models.list()]

    assert "local/poet" in listed
    assert (await sdk.models.retrieve("local/poet")).id == "local/poet"


async def test_chat_plain_and_streamed(sdk):
    plain = await sdk.chat.completions.create(**chat("local/poet"))
    stream = await sdk.chat.completions.create(
        **chat("local/poet", stream=True, stream_options={"include_usage": True})
    )
    chunks = [chunk async for chunk in stream]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage.total_tokens == plain.usage.total_tokens


async def test_an_answer_is_parsed_into_a_class(sdk):
    found = await sdk.chat.completions.parse(
        model="local/clerk", messages=MESSAGES, response_format=Order, max_tokens=80, temperature=0
    )

    assert isinstance(found.choices[0].message.parsed, Order)


async def test_a_tool_call_is_parsed_into_a_class(sdk, client):
    found = await sdk.chat.completions.parse(
        model="local/base",
        messages=MESSAGES,
        tools=[openai.pydantic_function_tool(Price)],
        tool_choice={"type": "function", "function": {"name": "Price"}},
        max_tokens=100,
        temperature=0,
        logit_bias=await blanks(client),
    )

    assert isinstance(found.choices[0].message.tool_calls[0].function.parsed_arguments, Price)


async def test_responses_plain_streamed_and_parsed(sdk):
    asked = {"model": "local/poet", "input": "bada foli", "max_output_tokens": 6, "temperature": 0}
    plain = await sdk.responses.create(**asked)
    stream = await sdk.responses.create(**asked, stream=True)
    events = [event async for event in stream]
    parsed = await sdk.responses.parse(**asked | {"max_output_tokens": 80}, text_format=Order)

    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == plain.output_text
    assert events[-1].response.usage.output_tokens == 6
    assert isinstance(parsed.output_parsed, Order)


async def test_a_completion_with_logprobs(sdk):
    found = await sdk.completions.create(
        model="local/base", prompt="bada", max_tokens=3, logprobs=1, echo=True
    )

    assert found.choices[0].text.startswith("bada")
    assert found.choices[0].logprobs.token_logprobs[0] is None


async def test_the_raw_response_has_the_gateways_headers(sdk):
    raw = await sdk.chat.completions.with_raw_response.create(
        **chat("house"), extra_headers={"x-request-id": "run-7"}
    )

    assert raw.headers["x-request-id"] == raw.parse()._request_id == "run-7"
    assert raw.headers["x-hyperbridge-upstream"] == "local"
    assert json.loads(raw.content)["model"] == raw.parse().model == "base"


async def test_failures_are_the_sdks_own_classes(sdk):
    with pytest.raises(openai.NotFoundError) as unknown:
        await sdk.chat.completions.create(**chat("local/nobody"))
    with pytest.raises(openai.BadRequestError) as long:
        await sdk.chat.completions.create(**chat(messages=[{"role": "user", "content": "bada " * 2000}]))

    assert unknown.value.code == "model_not_found"
    assert long.value.code == "context_length_exceeded"


async def test_a_client_that_is_out_of_patience_times_out(sdk):
    with pytest.raises(openai.APITimeoutError):
        await sdk.with_options(timeout=0.2).chat.completions.create(
            **chat(max_tokens=900), extra_body={"ignore_eos": True}
        )
