"""The official Anthropic SDK, unmodified, over the gateway and a real vLLM."""

from collections.abc import AsyncGenerator

import anthropic
import pytest
from anthropic import AsyncAnthropic

from tests.support.gateway import Served
from tests.vllm.asking import MESSAGES

LETTER = {"model": "local/poet", "messages": MESSAGES, "max_tokens": 6, "extra_body": {"temperature": 0}}


@pytest.fixture
async def sdk(gateway: Served) -> AsyncGenerator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=gateway.url, api_key="any", max_retries=0) as client:
        yield client


async def test_a_message_plain_and_streamed(sdk):
    plain = await sdk.messages.create(**LETTER)
    async with sdk.messages.stream(**LETTER) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        last = await stream.get_final_message()

    assert text == plain.content[0].text == last.content[0].text
    assert last.usage.output_tokens == plain.usage.output_tokens == 6


async def test_tokens_are_counted(sdk):
    counted = await sdk.messages.count_tokens(model="local/poet", messages=MESSAGES)

    assert counted.input_tokens == (await sdk.messages.create(**LETTER)).usage.input_tokens


async def test_failures_are_the_sdks_own_classes(sdk):
    with pytest.raises(anthropic.NotFoundError):
        await sdk.messages.create(**LETTER | {"model": "local/nobody"})
    with pytest.raises(anthropic.BadRequestError):
        await sdk.messages.create(**LETTER | {"max_tokens": 5000})
