import json
from typing import Any

import pytest

from app.errors import UpstreamRefused
from tests.adapters.demo.asking import ask, stream

TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def texts(answer: dict[str, Any]) -> list[str]:
    return [part["text"] for item in answer["output"] for part in item.get("content", ())]


async def test_a_text_is_a_message_of_the_user():
    plain = await ask("responses", {"input": "Hello"})
    listed = await ask("responses", {"input": [{"role": "user", "content": "Hello"}]})

    assert texts(plain) == texts(listed)
    assert plain["usage"] == listed["usage"]
    assert plain["status"] == "completed"


async def test_the_answer_repeats_what_was_asked_for():
    asked = {
        "input": "Hello",
        "tools": [TOOL],
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "instructions": "x",
    }
    answer = await ask("responses", asked)

    assert (
        answer | {name: asked[name] for name in ("tools", "metadata", "temperature", "instructions")}
        == answer
    )
    assert answer["tool_choice"] == "auto"


async def test_a_stream_builds_up_what_it_ends_with():
    events = await stream("responses", {"input": "Hello", "reasoning": {"effort": "low"}})

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    whole = events[-1]["response"]
    assert events[-1]["type"] == "response.completed"
    for index, (item, text) in enumerate(zip(whole["output"], texts(whole), strict=True)):
        own = [event for event in events if event.get("output_index") == index]
        assert own[0]["type"] == "response.output_item.added"
        assert own[0]["item"]["content"] == []
        assert own[-1] == own[-1] | {"type": "response.output_item.done", "item": item}
        assert "".join(event["delta"] for event in own if event["type"].endswith(".delta")) == text


async def test_a_call_is_streamed_in_pieces():
    events = await stream("responses", {"input": "The weather in Paris?", "tools": [TOOL]})

    deltas = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    call = events[-1]["response"]["output"][0]
    assert len(deltas) > 1
    assert "".join(deltas) == call["arguments"]
    assert json.loads(call["arguments"]) == {"city": "Paris"}


async def test_results_are_quoted_and_only_allowed_tools_are_called():
    results = [{"type": "function_call_output", "call_id": id_, "output": id_} for id_ in ("first", "second")]
    conversation = [{"role": "user", "content": "The weather?"}, *results]
    answered = await ask("responses", {"input": conversation, "tools": [TOOL]})
    other = {"type": "function", "name": "get_time"}
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [other]}
    called = await ask("responses", {"input": "The weather?", "tools": [TOOL, other], "tool_choice": allowed})

    assert '"first; second"' in texts(answered)[0]
    assert [item["name"] for item in called["output"]] == ["get_time"]


async def test_an_answer_that_is_cut_says_why():
    answer = await ask("responses", {"input": "Hello", "max_output_tokens": 3})
    *_, last = await stream("responses", {"input": "Hello", "max_output_tokens": 3})

    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["usage"]["output_tokens"] == 3
    assert last["type"] == "response.incomplete"


async def test_log_probabilities_come_where_they_are_included():
    asked = {"input": "Hello", "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    events = await stream("responses", asked)

    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert all([entry["token"] for entry in event["logprobs"]] == [event["delta"]] for event in deltas)
    whole = events[-1]["response"]["output"][0]["content"][0]
    assert [entry["token"] for entry in whole["logprobs"]] == [event["delta"] for event in deltas]


async def test_items_of_other_kinds_and_parts_that_are_no_text_are_taken():
    parts = [{"type": "input_text", "text": "Look"}, {"type": "input_image", "image_url": "data:,"}]
    answer = await ask(
        "responses", {"input": [{"type": "web_search_call", "id": "1"}, {"role": "user", "content": parts}]}
    )

    assert "1 image" in texts(answer)[0]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user"}]}, "input[0]"),
        ({"input": [{"type": "function_call_output", "call_id": "1"}]}, "input[0]"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"enum": []}}}},
            "text.format.schema",
        ),
        ({"top_logprobs": 21}, "top_logprobs"),
    ],
)
async def test_a_wrong_member_is_named(members: dict[str, Any], param: str):
    with pytest.raises(UpstreamRefused) as raised:
        await ask("responses", {"input": "Hello"} | members)

    assert (raised.value.status, raised.value.param) == (400, param)
