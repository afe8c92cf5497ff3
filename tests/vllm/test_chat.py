"""Chat, plain and streamed: the gateway adds nothing and takes nothing away."""

import re

import httpx
import pytest

from tests.vllm.asking import asked, chat, logged, streamed

OF_ITS_OWN = re.compile(rb'"(id|created)":("[^"]*"|\d+)')
"""Members that differ from one answer to the next."""


@pytest.fixture
async def direct(vllm):
    async with httpx.AsyncClient(base_url=vllm.url, timeout=20) as http:
        yield http


@pytest.mark.parametrize(
    "more",
    [{}, {"logprobs": True, "top_logprobs": 2}, {"n": 2, "temperature": 1, "seed": 7}],
    ids=["greedy", "logprobs", "two choices"],
)
async def test_an_answer_is_vllms_own_byte_for_byte(client, direct, more):
    ours = await client.post("/v1/chat/completions", json=chat("local/poet", **more))
    its = await direct.post("/v1/chat/completions", json=chat("poet", **more))

    assert ours.status_code == its.status_code == 200
    assert OF_ITS_OWN.sub(b"", ours.content) == OF_ITS_OWN.sub(b"", its.content)


async def test_two_choices_and_their_logprobs_arrive(client):
    found = await asked(client, chat(n=2, temperature=1, seed=7, logprobs=True, top_logprobs=2))

    assert [choice["index"] for choice in found["choices"]] == [0, 1]
    for choice in found["choices"]:
        assert len(choice["logprobs"]["content"]) == 12
        assert all(len(token["top_logprobs"]) == 2 for token in choice["logprobs"]["content"])


@pytest.mark.parametrize("model", ["local/base", "local/poet"])
async def test_a_stream_says_what_the_plain_answer_says(client, model):
    plain = (await asked(client, chat(model)))["choices"][0]
    *events, done = await streamed(client, chat(model))

    deltas = [event["choices"][0]["delta"].get("content") or "" for event in events]
    assert "".join(deltas) == plain["message"]["content"]
    assert events[-1]["choices"][0]["finish_reason"] == plain["finish_reason"] == "length"
    assert done == "[DONE]"


async def test_a_stream_tells_its_usage_where_that_was_asked_for(client):
    *_, last, _ = await streamed(client, chat(stream_options={"include_usage": True}))

    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 12


async def test_a_stream_keeps_its_usage_to_the_gateway_where_nobody_asked(client, gateway):
    events = await streamed(client, chat())

    assert all(event["choices"] for event in events if event != "[DONE]")
    await logged(gateway, '"output_tokens":12,"cached_tokens":0,"reasoning_tokens":0,"estimated":false')


async def test_usage_in_every_chunk_stays_where_it_was_asked_for(client):
    options = {"include_usage": True, "continuous_usage_stats": True}

    *events, _ = await streamed(client, chat(stream_options=options))

    assert all("usage" in event for event in events)


@pytest.mark.parametrize(
    "wish",
    [
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"hyperbridge": {"thinking": "on"}},
        {"reasoning_effort": "low"},
    ],
    ids=str,
)
async def test_thinking_is_switched_on_by_the_request_and_arrives_apart_from_the_answer(
    client, gateway, wish
):
    body = chat(**wish)

    message = (await asked(client, body))["choices"][0]["message"]
    *events, _ = await streamed(client, body)

    deltas = [event["choices"][0]["delta"] for event in events]
    assert message["content"] is None
    for name in ("reasoning", "reasoning_content"):
        assert message[name] == "".join(delta.get(name) or "" for delta in deltas)
    assert not any(delta.get("content") for delta in deltas)
    await logged(gateway, '"reasoning_tokens":12,')  # in its streams vLLM counts fewer
