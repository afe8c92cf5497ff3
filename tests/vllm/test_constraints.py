"""Answers held to a form: schemas, vLLM's own constraints in their present and their old names, tools."""

import json

import pytest

from tests.vllm.asking import ORDER, TOOL, asked, blanks, chat, streamed

NAMED = {"type": "function", "function": {"name": "price"}}
CALL = r"<tool_call>\n\{\"name\": \"price\", \"arguments\": \{\"symbol\": \"BBB\"\}\}\n</tool_call>"
"""The text of a call as Hermes writes it, which random weights must be made to say."""


async def content(client, **more) -> str:
    found = await asked(client, chat(**{"max_tokens": 80} | more))
    text: str = found["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize(
    "constraint",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "order", "schema": ORDER}}},
        {"structured_outputs": {"json": ORDER}},
        {"guided_json": ORDER},
        {"guided_json": json.dumps(ORDER), "guided_choice": None},
    ],
    ids=["response_format", "structured_outputs", "guided_json", "guided_json as text"],
)
@pytest.mark.parametrize("model", ["local/base", "local/clerk"])
async def test_an_answer_keeps_to_its_schema(client, model, constraint):
    order = json.loads(await content(client, model=model, **constraint))

    assert order.keys() == {"side", "whole"}
    assert order["side"] in {"buy", "sell"}


@pytest.mark.parametrize(
    ("constraint", "answers"),
    [
        ({"guided_choice": ["foli", "gudo"]}, {"foli", "gudo"}),
        ({"guided_regex": "ba|du"}, {"ba", "du"}),
        ({"guided_grammar": 'root ::= "mi" | "no"'}, {"mi", "no"}),
        ({"structured_outputs": {"choice": ["foli", "gudo"]}, "guided_choice": ["x"]}, {"foli", "gudo"}),
    ],
)
async def test_a_constraint_by_its_old_name_holds(client, constraint, answers):
    assert await content(client, **constraint) in answers


async def test_two_constraints_at_once_are_refused(client):
    body = chat(guided_choice=["a"], guided_regex="b")

    answer = await client.post("/v1/chat/completions", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, None)


@pytest.mark.parametrize("choice", [NAMED, "required"], ids=["named", "required"])
async def test_a_tool_that_must_be_called_is_called_with_arguments_of_its_schema(client, choice):
    body = chat(
        tools=[TOOL],
        tool_choice=choice,
        parallel_tool_calls=False,
        max_tokens=100,
        logit_bias=await blanks(client),
    )

    found = await asked(client, body)

    call = found["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "price"
    assert json.loads(call["arguments"])["symbol"] in {"AAA", "BBB"}


async def test_a_tool_call_in_the_text_is_found_plain_and_streamed(client):
    lenient = TOOL | {"function": {"name": "price"}}  # a strict one would be another constraint
    body = chat(tools=[lenient], max_tokens=100, structured_outputs={"regex": CALL})

    choice = (await asked(client, body))["choices"][0]
    *events, _ = await streamed(client, body)

    assert choice["finish_reason"] == events[-1]["choices"][0]["finish_reason"] == "tool_calls"
    deltas = [event["choices"][0]["delta"] for event in events]
    parts = [delta["tool_calls"][0]["function"] for delta in deltas if delta.get("tool_calls")]
    assert choice["message"]["tool_calls"][0]["function"] == {
        "name": "".join(part.get("name") or "" for part in parts),
        "arguments": "".join(part.get("arguments") or "" for part in parts),
    }


async def test_a_tools_answer_is_understood_on_the_next_turn(client):
    call = {"id": "call-1", "type": "function", "function": {"name": "price", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "bada"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call-1", "content": "12.5"},
    ]

    assert await content(client, messages=messages, tools=[TOOL])
