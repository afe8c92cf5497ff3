import json
from typing import Any

import pytest

from app.errors import UpstreamRefused
from tests.adapters.demo.asking import ask, stream

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"max_tokens": 500, "messages": [{"role": "user", "content": content}], **more}


async def test_a_stream_builds_up_the_plain_answer():
    asked = user("Hello", thinking={"type": "adaptive"})
    plain = await ask("messages", asked)
    events = await stream("messages", asked)

    for index, block in enumerate(plain["content"]):
        own = [event["delta"] for event in events if event.get("index") == index and "delta" in event]
        built = "".join(delta.get("text", "") + delta.get("thinking", "") for delta in own)
        assert built == block[block["type"]]
    stopped = next(event for event in events if event["type"] == "message_delta")
    assert stopped["usage"] == plain["usage"]
    assert stopped["delta"]["stop_reason"] == plain["stop_reason"] == "end_turn"


async def test_a_tools_input_is_streamed_as_pieces_of_json():
    events = await stream("messages", user("The weather in Paris?", tools=[TOOL]))

    opened = next(event["content_block"] for event in events if event["type"] == "content_block_start")
    pieces = [event["delta"]["partial_json"] for event in events if event["type"] == "content_block_delta"]
    assert (opened["name"], opened["input"]) == ("get_weather", {})
    assert len(pieces) > 1
    assert json.loads("".join(pieces)) == {"city": "Paris"}


async def test_a_tool_use_that_is_cut_has_no_input():
    answer = await ask("messages", user("The weather in Paris?", tools=[TOOL], max_tokens=5))

    assert answer["stop_reason"] == "max_tokens"
    assert [block["input"] for block in answer["content"] if block["type"] == "tool_use"] in ([], [{}])


async def test_anthropics_own_tools_are_taken_and_never_used():
    search = {"type": "web_search_20250305", "name": "web_search"}
    answer = await ask("messages", user("Search the web", tools=[search]))

    assert [block["type"] for block in answer["content"]] == ["text"]


async def test_images_and_results_of_tools_are_heard():
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    seen = await ask("messages", user([{"type": "text", "text": "Look"}, image]))
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "sunny"}]}
    heard = await ask("messages", user([result]))

    assert "1 image" in seen["content"][0]["text"]
    assert '"sunny"' in heard["content"][0]["text"]


async def test_a_count_is_the_input_that_the_answer_reports():
    asked = user("Hello", system="Be short.", tools=[TOOL])
    counted = await ask("count_tokens", {name: asked[name] for name in ("messages", "system", "tools")})

    assert counted == {"input_tokens": (await ask("messages", asked))["usage"]["input_tokens"]}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"temperature": 1.5}, "temperature"),
        ({"tools": [{"name": "x"}]}, "tools[0]"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"thinking": {"type": "loud"}}, "thinking.type"),
    ],
)
async def test_a_wrong_member_is_named(members: dict[str, Any], param: str):
    with pytest.raises(UpstreamRefused) as raised:
        await ask("messages", user("Hello") | members)

    assert (raised.value.status, raised.value.param) == (400, param)


async def test_a_bound_is_required():
    with pytest.raises(UpstreamRefused) as raised:
        await ask("messages", {"messages": [{"role": "user", "content": "Hello"}]})

    assert (raised.value.param, raised.value.code) == ("max_tokens", "missing_required_parameter")
