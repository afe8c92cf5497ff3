"""The official Node SDKs over the gateway and a real vLLM: of their suites, what asks for no sense in the answers."""

import asyncio

import pytest

from tests.sdk.test_node import HERE, packages, run
from tests.support.gateway import Served

__all__ = ["packages"]

TESTS = {
    "openai.test.mjs": [
        "a chat is answered with usage and a request id",
        "a streamed chat says what a plain one says",
        "a stream ends with usage where it is asked for",
        "the stream helper tells deltas and the whole",
        "log probabilities come with the tokens",
        "two choices are two",
        "a text is completed plainly and streamed",
        "a response is answered, plainly and streamed",
        "models are listed and found",
        "the raw response is within reach",
        "an unknown model is not found",
        "a stream can be left early, and the connection serves on",
    ],
    "anthropic.test.mjs": [
        "a message is answered with usage and a reason",
        "a streamed message is put together from its events",
        "tokens are counted",
    ],
}


@pytest.mark.parametrize("suite", TESTS)
@pytest.mark.usefixtures("packages")
async def test_the_node_suite_passes(gateway: Served, suite: str):
    text = (HERE / suite).read_text(encoding="utf-8")
    assert all(f'test("{name}"' in text for name in TESTS[suite])  # a name without a test would pass
    names = [f"--test-name-pattern=^{name}$" for name in TESTS[suite]]

    await asyncio.to_thread(
        run, "node", "--test", "--test-reporter=tap", *names, suite, BASE_URL=gateway.url, MODEL="house"
    )
