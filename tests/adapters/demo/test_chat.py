import json
from typing import Any

import pytest

from adapters.demo import tokens
from app.errors import UpstreamRefused
from tests.adapters.demo.asking import ask, function, stream

CITY = {"type": "string"}
TOOLS = [function("get_weather", city=CITY), function("get_time", city=CITY)]


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **more}


async def chosen(body: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = (await ask("chat", body))["choices"][0]
    return choice


async def test_the_same_request_gets_the_same_words():
    first, second = await ask("chat", user("Hello")), await ask("chat", user("Hello"))

    assert first["choices"] == second["choices"]
    assert first["usage"] == second["usage"]
    assert first["id"] != second["id"]


async def test_usage_counts_the_tokens_of_what_is_shown():
    answer = await ask("chat", user("Hello"))

    usage = answer["usage"]
    assert usage["completion_tokens"] == tokens.count(answer["choices"][0]["message"]["content"])
    longer = await ask("chat", user("Hello" + " you" * 10))
    assert longer["usage"]["prompt_tokens"] == usage["prompt_tokens"] + 10


async def test_a_limit_bounds_thoughts_and_words_together():
    answer = await ask("chat", user("Hello", max_tokens=5, reasoning_effort="high"))

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == ""
    assert answer["usage"]["completion_tokens"] == 5
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5


async def test_a_stop_sequence_ends_the_text_before_itself():
    choice = await chosen(user("Hello", stop=["the gateway", "never"]))

    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"].endswith("upstream: ")


async def test_each_choice_of_a_stream_has_its_role_its_tokens_and_its_finish():
    chunks = await stream("chat", user("Hello", n=2))
    plain = await ask("chat", user("Hello", n=2))

    for choice in plain["choices"]:
        own = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == choice["index"]]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(one["delta"].get("content") or "" for one in own) == choice["message"]["content"]
        assert [one["finish_reason"] for one in own if one["finish_reason"]] == ["stop"]


async def test_usage_is_null_until_the_last_chunk_that_has_it():
    *others, last = await stream("chat", user("Hello", stream_options={"include_usage": True}))

    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0


async def test_calls_are_streamed_as_their_names_and_pieces_of_arguments():
    chunks = await stream("chat", user("The weather and the time in Paris?", tools=TOOLS))

    parts = [part for chunk in chunks for part in chunk["choices"][0]["delta"].get("tool_calls", [])]
    for index, tool in enumerate(TOOLS):
        own = [part for part in parts if part["index"] == index]
        assert own[0]["id"].startswith("call_")
        assert own[0]["function"]["name"] == tool["function"]["name"]
        assert json.loads("".join(part["function"]["arguments"] for part in own)) == {"city": "Paris"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_tool_that_is_not_spoken_of_is_not_called():
    choice = await chosen(user("Hello", tools=TOOLS))

    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"


async def test_a_call_that_is_cut_finishes_with_length():
    choice = await chosen(user("The weather in Paris?", tools=TOOLS, max_tokens=6))

    assert choice["finish_reason"] == "length"


async def test_only_allowed_tools_are_called():
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    choice = await chosen(
        user("The weather?", tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    )

    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["get_time"]


async def test_a_required_tool_without_parameters_is_called_with_none():
    tools = [{"type": "function", "function": {"name": "stop_all"}}]
    choice = await chosen(user("Hello", tools=tools, tool_choice="required"))

    assert choice["message"]["tool_calls"][0]["function"] == {"name": "stop_all", "arguments": "{}"}


async def test_the_results_of_tools_are_quoted_in_their_order():
    results = [{"role": "tool", "tool_call_id": id_, "content": id_} for id_ in ("first", "second")]
    asked = user("The weather?", tools=TOOLS)
    choice = await chosen(asked | {"messages": asked["messages"] + results})

    assert '"first; second"' in choice["message"]["content"]


async def test_any_object_is_answered_where_one_is_wanted():
    choice = await chosen(user("Hello", response_format={"type": "json_object"}))

    assert isinstance(json.loads(choice["message"]["content"]), dict)


async def test_only_what_came_with_the_newest_message_is_mentioned():
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    sound = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
    conversation = [
        *user([image])["messages"],
        {"role": "assistant", "content": "?"},
        *user([sound])["messages"],
    ]

    said = (await chosen({"messages": conversation}))["message"]["content"]

    assert "1 recording" in said
    assert "image" not in said


@pytest.mark.parametrize(
    ("options", "thinks"),
    [
        ({}, False),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "low"}, True),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True),
        ({"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": False}}, False),
    ],
)
async def test_thinking_is_switched_as_templates_and_efforts_say(options: dict[str, Any], thinks):
    message = (await chosen(user("Hello", **options)))["message"]

    assert ("reasoning_content" in message) is thinks
    assert message.get("reasoning_content") == message.get("reasoning")


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages[0]", "invalid_value"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0]",
            "invalid_value",
        ),
        ({"messages": None}, "messages", "invalid_value"),
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"top_logprobs": 2}, "top_logprobs", None),
        ({"tools": TOOLS * 65}, "tools", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice",
            None,
        ),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema",
            "missing_required_parameter",
        ),
        (
            {"messages": [{"role": "user", "content": "word " * 40_000}]},
            "messages",
            "context_length_exceeded",
        ),
    ],
)
async def test_a_wrong_member_is_named(members: dict[str, Any], param: str, code: str | None):
    with pytest.raises(UpstreamRefused) as raised:
        await ask("chat", user("secret words") | members)

    assert (raised.value.status, raised.value.param, raised.value.code) == (400, param, code)
    assert not any(value in raised.value.message for value in ("secret", "king", "hot", "xml"))
