"""The official `openai` package, unmodified, on everything that succeeds."""

import json
from base64 import b64encode
from itertools import pairwise
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.sdk.asked import NAMES, PIXEL, PLACE, QUESTION, Trip, user

CHAT_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": PLACE, "strict": True}} for name in NAMES
]
RESPONSE_TOOLS: list[Any] = [
    {"type": "function", "name": name, "parameters": PLACE, "strict": True} for name in NAMES
]


def test_a_chat_is_answered_with_usage_and_a_request_id(client: OpenAI):
    answer = client.chat.completions.create(model="demo", messages=user("ping"))

    assert answer.choices[0].message.content == "pong"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id


def test_a_streamed_chat_says_what_a_plain_one_says(client: OpenAI):
    plain = client.chat.completions.create(model="demo", messages=user("Hello"))
    stream = client.chat.completions.create(model="demo", messages=user("Hello"), stream=True)
    chunks = list(stream)

    assert len(chunks) > 10
    assert all(chunk.usage is None for chunk in chunks)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == plain.choices[0].message.content
    )


def test_a_stream_ends_with_usage_where_it_is_asked_for(client: OpenAI):
    plain = client.chat.completions.create(model="demo", messages=user("Hello"))
    *_, last = client.chat.completions.create(
        model="demo", messages=user("Hello"), stream=True, stream_options={"include_usage": True}
    )

    assert not last.choices
    assert last.usage == plain.usage


def test_the_stream_helper_tells_events_and_the_whole(client: OpenAI):
    with client.chat.completions.stream(model="demo", messages=user("Hello")) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        whole = stream.get_final_completion()

    assert text == whole.choices[0].message.content


def test_the_stream_helper_parses_calls_and_shapes(client: OpenAI):
    with client.chat.completions.stream(model="demo", messages=user(QUESTION), tools=CHAT_TOOLS) as stream:
        done = [event.name for event in stream if event.type == "tool_calls.function.arguments.done"]
    shaped = client.chat.completions.stream(
        model="demo", messages=user("3 days in Rome"), response_format=Trip
    )
    with shaped as stream:
        trip = stream.get_final_completion().choices[0].message.parsed

    assert tuple(done) == NAMES
    assert trip is not None
    assert (trip.city, trip.days) == ("Rome", 3)


def test_tools_are_called_in_parallel_and_their_results_are_heard(client: OpenAI):
    messages = user(QUESTION)
    asked = client.chat.completions.create(model="demo", messages=messages, tools=CHAT_TOOLS)
    calls = asked.choices[0].message.tool_calls or []
    assert asked.choices[0].finish_reason == "tool_calls"
    assert tuple(call.function.name for call in calls if call.type == "function") == NAMES
    assert all(json.loads(call.function.arguments)["city"] for call in calls if call.type == "function")

    messages.append(asked.choices[0].message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    answered = client.chat.completions.create(model="demo", messages=messages, tools=CHAT_TOOLS)
    assert "sunny" in (answered.choices[0].message.content or "")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"tool_choice": "none"}, []),
        ({"tool_choice": "required", "parallel_tool_calls": False}, ["get_weather"]),
        ({"tool_choice": {"type": "function", "function": {"name": "get_time"}}}, ["get_time"]),
    ],
)
def test_a_tool_choice_is_obeyed(client: OpenAI, options: dict[str, Any], names: list[str]):
    answer = client.chat.completions.create(
        model="demo", messages=user(QUESTION), tools=CHAT_TOOLS, **options
    )

    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == names


def test_a_chat_is_parsed_into_a_pydantic_model(client: OpenAI):
    answer = client.chat.completions.parse(
        model="demo", messages=user("3 days in Rome"), response_format=Trip
    )

    parsed = answer.choices[0].message.parsed
    assert parsed is not None
    assert (parsed.city, parsed.days) == ("Rome", 3)


def test_json_is_answered_where_an_object_is_wanted(client: OpenAI):
    answer = client.chat.completions.create(
        model="demo", messages=user("JSON please"), response_format={"type": "json_object"}
    )

    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_log_probabilities_cover_the_text_and_fall(client: OpenAI):
    answer = client.chat.completions.create(
        model="demo", messages=user("Hello"), logprobs=True, top_logprobs=3
    )

    choice = answer.choices[0]
    assert choice.logprobs is not None
    entries = choice.logprobs.content or []
    assert "".join(entry.token for entry in entries) == choice.message.content
    for entry in entries:
        assert all(first.logprob >= second.logprob for first, second in pairwise(entry.top_logprobs))


@pytest.mark.parametrize("stream", [False, True])
def test_two_choices_differ(client: OpenAI, stream):
    texts = {0: "", 1: ""}
    if stream:
        for chunk in client.chat.completions.create(model="demo", messages=user("Hi"), n=2, stream=True):
            for delta in chunk.choices:
                texts[delta.index] += delta.delta.content or ""
    else:
        answer = client.chat.completions.create(model="demo", messages=user("Hi"), n=2)
        texts = {choice.index: choice.message.content or "" for choice in answer.choices}

    assert texts[0]
    assert texts[1]
    assert texts[0] != texts[1]


def test_images_sound_and_files_are_taken(client: OpenAI):
    parts = [
        {"type": "text", "text": "Look and listen"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": b64encode(b"RIFF").decode(), "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    ]
    answer = client.chat.completions.create(model="demo", messages=user(parts))

    assert "1 image and 1 recording and 1 file" in (answer.choices[0].message.content or "")


def test_reasoning_is_told_apart_from_the_answer(client: OpenAI):
    answer = client.chat.completions.create(model="demo", messages=user("Hello"), reasoning_effort="high")

    thought = answer.choices[0].message.model_extra or {}
    assert thought["reasoning_content"]
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens


def test_embeddings_are_the_same_in_either_encoding(client: OpenAI):
    texts = ["one text", "another"]
    usual = client.embeddings.create(model="demo", input=texts)  # the SDK asks for base64 and decodes it
    floats = client.embeddings.create(model="demo", input=texts, encoding_format="float")
    short = client.embeddings.create(model="demo", input=texts, dimensions=8)

    assert [one.index for one in usual.data] == [0, 1]
    for first, second in zip(usual.data, floats.data, strict=True):
        assert first.embedding == pytest.approx(second.embedding)
    assert {len(one.embedding) for one in short.data} == {8}
    assert usual.usage.prompt_tokens == usual.usage.total_tokens > 0


def test_a_text_is_completed_plainly_and_streamed(client: OpenAI):
    plain = client.completions.create(
        model="demo", prompt=["Once", "Twice"], max_tokens=9, logprobs=2, echo=True
    )
    stream = client.completions.create(model="demo", prompt="Once", max_tokens=9, echo=True, stream=True)

    assert plain.choices[0].text.startswith("Once")
    assert plain.choices[1].text.startswith("Twice")
    assert plain.choices[0].finish_reason == "length"
    assert plain.choices[0].logprobs is not None
    assert "".join(chunk.choices[0].text for chunk in stream) == plain.choices[0].text


def test_a_response_is_answered_with_a_conversation(client: OpenAI):
    answer = client.responses.create(
        model="demo", instructions="Be short.", input=user("ping"), reasoning={"effort": "low"}
    )

    assert answer.output_text == "pong"
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.usage is not None
    assert answer.usage.output_tokens_details.reasoning_tokens > 0
    assert answer._request_id


def test_a_streamed_response_says_what_a_plain_one_says(client: OpenAI):
    plain = client.responses.create(model="demo", input="Hello")
    events = list(client.responses.create(model="demo", input="Hello", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == plain.output_text
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == plain.output_text


def test_a_response_calls_tools_and_hears_their_results(client: OpenAI):
    conversation = user(QUESTION)
    asked = client.responses.create(model="demo", input=conversation, tools=RESPONSE_TOOLS)
    calls = [item for item in asked.output if item.type == "function_call"]
    assert tuple(call.name for call in calls) == NAMES

    conversation += asked.output
    conversation += [
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls
    ]
    answered = client.responses.create(model="demo", input=conversation, tools=RESPONSE_TOOLS)
    assert "sunny" in answered.output_text


def test_a_streamed_response_tells_its_calls_in_parts(client: OpenAI):
    with client.responses.stream(model="demo", input=QUESTION, tools=RESPONSE_TOOLS) as stream:
        parts = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        calls = [item for item in stream.get_final_response().output if item.type == "function_call"]

    assert len(parts) > len(calls)
    assert "".join(parts) == "".join(call.arguments for call in calls)


def test_a_response_is_parsed_into_a_pydantic_model(client: OpenAI):
    answer = client.responses.parse(model="demo", input="3 days in Rome", text_format=Trip)

    assert answer.output_parsed is not None
    assert (answer.output_parsed.city, answer.output_parsed.days) == ("Rome", 3)


def test_models_are_listed_and_found(client: OpenAI):
    names = [model.id for model in client.models.list()]

    assert names[:2] == ["demo", "slow"]
    assert {"demo/demo", "twin/twin", "twin/twin-lora"} <= set(names)
    for name in ("demo", "demo/demo-slow"):
        assert client.models.retrieve(name).id == name


def test_a_raw_response_shows_headers_and_still_parses(client: OpenAI):
    raw = client.chat.completions.with_raw_response.create(
        model="demo", messages=user("ping"), extra_headers={"x-request-id": "mine-7"}
    )

    assert raw.headers["x-request-id"] == "mine-7"
    assert raw.headers["x-hyperbridge-upstream"] == "demo"
    assert raw.parse().choices[0].message.content == "pong"


def test_a_streaming_response_is_read_line_by_line(client: OpenAI):
    asked = client.chat.completions.with_streaming_response.create(
        model="demo", messages=user("ping"), stream=True
    )
    with asked as response:
        lines = [line for line in response.iter_lines() if line]

    assert response.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == "data: [DONE]"


async def test_the_asynchronous_client_does_the_same(client: OpenAI):
    async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as asynchronous:
        chats = asynchronous.chat.completions
        plain = await chats.create(model="demo", messages=user("Hello"))
        stream = await chats.create(model="demo", messages=user("Hello"), stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        parsed = await chats.parse(model="demo", messages=user("3 days in Rome"), response_format=Trip)
        vectors = await asynchronous.embeddings.create(model="demo", input="text")
        async with asynchronous.responses.stream(model="demo", input="ping") as responding:
            response = await responding.get_final_response()
        names = [model.id async for model in asynchronous.models.list()]

    assert text == plain.choices[0].message.content
    assert parsed.choices[0].message.parsed is not None
    assert vectors.data[0].embedding
    assert response.output_text == "pong"
    assert "demo" in names
