"""An embedded model answers through the gateway as any other does."""

import json

import httpx
import pytest
from openai import AsyncOpenAI

from app import sse
from tests.adapters.embedded.conftest import CHAT

CHAT_PATH = "/v1/chat/completions"


async def answered(client: httpx.AsyncClient, path: str = CHAT_PATH, **members) -> dict:
    answer = await client.post(path, json={"model": "words", **members})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def streamed(client: httpx.AsyncClient, path: str = CHAT_PATH, **members) -> list[bytes]:
    """The events of a stream, each with its blank line."""
    answer = await client.post(path, json={"model": "words", "stream": True, **members})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content.endswith(b"\n\n")
    return sse.split(answer.content)


async def test_a_chat_is_answered_under_the_name_that_was_routed_to(client):
    found = await answered(client, **CHAT)

    assert found["model"] == "tiny"
    assert found["object"] == "chat.completion"
    assert found["choices"][0]["finish_reason"] == "length"
    assert len(found["choices"][0]["message"]["content"]) == 16
    assert found["usage"]["completion_tokens"] == 16


async def test_a_stream_is_whole_events_up_to_done(client):
    *events, last = await streamed(client, **CHAT)

    assert last == b"data: [DONE]\n\n"
    assert all(event.startswith(b"data: {") and event.endswith(b"}\n\n") for event in events)
    found = [json.loads(sse.data(event)) for event in events]
    assert {event["model"] for event in found} == {"tiny"}
    assert not any("usage" in event for event in found)
    assert found[-1]["choices"][0]["finish_reason"] == "length"


async def test_a_stream_says_the_same_as_a_plain_answer(client):
    plain = await answered(client, **CHAT)
    events = [json.loads(sse.data(event)) for event in (await streamed(client, **CHAT))[:-1]]

    deltas = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
    assert "".join(deltas) == plain["choices"][0]["message"]["content"]


async def test_usage_comes_last_where_it_was_asked_for(client):
    *_, usage, done = await streamed(client, **CHAT, stream_options={"include_usage": True})

    found = json.loads(sse.data(usage))
    assert done == b"data: [DONE]\n\n"
    assert found["choices"] == []
    assert found["usage"]["completion_tokens"] == 16


async def test_a_stop_text_ends_an_answer(client):
    text = (await answered(client, **CHAT))["choices"][0]["message"]["content"]

    stopped = (await answered(client, **CHAT, stop=[text[4]]))["choices"][0]

    assert stopped["finish_reason"] == "stop"
    assert stopped["message"]["content"] == text[: text.index(text[4])]


async def test_log_probabilities_are_those_of_the_tokens(client):
    choice = (await answered(client, **CHAT, logprobs=True, top_logprobs=2))["choices"][0]

    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert all(token["top_logprobs"][0]["token"] == token["token"] for token in tokens)


async def test_a_schema_is_kept(client):
    schema = {
        "type": "object",
        "properties": {"up": {"type": "boolean"}},
        "required": ["up"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "move", "strict": True, "schema": schema}}

    found = await answered(client, **CHAT | {"max_tokens": 100}, response_format=form)

    assert isinstance(json.loads(found["choices"][0]["message"]["content"])["up"], bool)


async def test_tools_and_what_they_answered_reach_the_models_template(client):
    """Whether a tool is called is the model's choice, and this one's words are random."""
    tool = {
        "type": "function",
        "function": {"name": "move", "parameters": {"type": "object", "properties": {}}},
    }
    call = {"id": "1", "type": "function", "function": {"name": "move", "arguments": "{}"}}
    turns = [
        *CHAT["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "moved"},
    ]

    bare = await answered(client, **CHAT)
    offered = await answered(client, **CHAT, tools=[tool], tool_choice="required")
    used = await answered(client, **CHAT | {"messages": turns}, tools=[tool])

    prompts = [found["usage"]["prompt_tokens"] for found in (bare, offered, used)]
    assert prompts == sorted(set(prompts))


async def test_completions_responses_and_messages_are_answered_too(client):
    completion = await answered(client, "/v1/completions", prompt="Hello", max_tokens=8)
    response = await answered(client, "/v1/responses", input="Hello", max_output_tokens=8)
    message = await answered(client, "/v1/messages", messages=CHAT["messages"], max_tokens=8)
    counted = await answered(client, "/v1/messages/count_tokens", messages=CHAT["messages"])

    assert completion["usage"]["completion_tokens"] == 8
    assert response["usage"]["output_tokens"] == 8
    assert message["usage"]["output_tokens"] == 8
    assert counted["input_tokens"] > 0
    assert {completion["model"], response["model"], message["model"]} == {"tiny"}


@pytest.mark.parametrize(
    ("path", "members", "last"),
    [
        ("/v1/completions", {"prompt": "Hello", "max_tokens": 4}, b"data: [DONE]"),
        ("/v1/responses", {"input": "Hello", "max_output_tokens": 4}, b"event: response.completed"),
        ("/v1/messages", {"messages": CHAT["messages"], "max_tokens": 4}, b"event: message_stop"),
    ],
)
async def test_the_other_dialects_stream_to_their_own_ends(client, path, members, last):
    events = await streamed(client, path, **members)

    assert events[-1].startswith(last)
    assert b"hyperbridge-embedded" not in b"".join(events)


async def test_the_official_sdk_reads_an_answer_and_a_stream(gateway):
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as sdk:
        plain = await sdk.chat.completions.create(model="words", **CHAT)
        stream = await sdk.chat.completions.create(
            model="words", stream=True, stream_options={"include_usage": True}, **CHAT
        )
        chunks = [chunk async for chunk in stream]

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 16
