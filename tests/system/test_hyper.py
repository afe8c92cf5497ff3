"""Whole texts in the tokens that a model has for them, and nobody but that model ever sees one."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import ConfigError
from scenes.hypertokens import Hypertoken, Hypertokens
from tests.support.gateway import gateway_of
from tests.support.raw import raw_server
from tests.system.test_scenes_rescue import ERROR, Script, ending, event, told

DESK = "The desk waits below the level, and nobody wants to be the first."
DOOR = 'Порог: "кто войдёт первым", платит.\nРынок ждёт.'
BOOK = Hypertokens(
    "desk",
    1,
    "0" * 64,
    (Hypertoken("<|Δ14|>", 9, DESK, tokens=16), Hypertoken("<|Δ145|>", 8, DOOR, tokens=30)),
)
ASKED = [
    {"role": "system", "content": f"Before:\n{DESK}"},
    {"role": "user", "content": f"{DOOR}\n\nGold is at 2411.5. What now?"},
]
SAID = [
    {"role": "system", "content": "Before:\n<|Δ14|>"},
    {"role": "user", "content": "<|Δ145|>\n\nGold is at 2411.5. What now?"},
]


@asynccontextmanager
async def gateway(
    script: Script, folder: Path, model: str = "", more: str = ""
) -> AsyncGenerator[httpx.AsyncClient]:
    (folder / "desk.json").write_bytes(BOOK.to_json())
    async with raw_server(script) as port:
        yaml = f"""
upstreams:
  raw: {{kind: openai, url: "http://127.0.0.1:{port}/v1"}}
{more}
models:
  own: {{upstream: raw, model: x, hypertokens: desk{model}}}
  other: {{upstream: raw, model: y}}
scenes: {{hypertokens: {{desk: desk.json}}}}
"""
        async with (
            gateway_of(yaml, folder) as served,
            httpx.AsyncClient(base_url=served.url, timeout=20) as client,
        ):
            yield client


async def chat(
    client: httpx.AsyncClient,
    messages: Sequence[Mapping[str, Any]] = ASKED,
    model: str = "own",
    **members: Any,
) -> httpx.Response:
    body = {"model": model, "messages": messages, "stream": True, **members}
    return await client.post("/v1/chat/completions", json=body)


async def test_a_prompt_goes_out_in_the_models_own_tokens_and_its_answer_comes_in_words(tmp_path):
    answer = [
        event({"content": "Wait: <|"}),
        event({"content": "Δ14"}),
        event({"content": "|> <|Δ9|> <"}),
        *ending("b>"),
    ]
    script = Script([answer])
    async with gateway(script, tmp_path, ", scenes: hyper") as client:
        response = await chat(client)
    assert script.asked[0]["messages"] == SAID
    assert told(response.text) == f"Wait: {DESK} <|Δ9|> <b>"
    assert response.headers["x-hyperbridge-scenes"] == "hyper; saved=44; forms=hypertoken"


async def test_each_conversation_keeps_its_beginning(tmp_path):
    script = Script([ending("<|Δ145|>"), ending("Yes.")])
    async with gateway(script, tmp_path, ", scenes: hyper") as client:
        first = told((await chat(client)).text)
        assert first == DOOR
        await chat(
            client, [*ASKED, {"role": "assistant", "content": first}, {"role": "user", "content": "Sure?"}]
        )
    assert script.asked[1]["messages"][:3] == [*SAID, {"role": "assistant", "content": "<|Δ145|>"}]


@pytest.mark.parametrize("layer", ["off", "shadow", "safe", "codebook"])
async def test_a_model_that_only_answers_with_its_tokens_is_understood_in_every_layer(tmp_path, layer):
    script = Script([ending("Then: <|Δ14|>")])
    async with gateway(script, tmp_path, f", scenes: {layer}") as client:
        response = await chat(client)
    assert script.asked[0]["messages"] == ASKED
    assert told(response.text) == f"Then: {DESK}"


async def test_a_fallback_that_has_no_such_tokens_is_told_everything_in_words(tmp_path):
    wish = {"role": "user", "content": "What was <|∆14|>? And <|Δ9|>?"}
    script = Script([[ERROR], ending("I see: <|Δ14|>")])
    async with gateway(script, tmp_path, ", scenes: hyper, retries: 0, fallbacks: [other]") as client:
        response = await chat(client, [ASKED[0], wish])
    assert script.asked[0]["messages"][1]["content"] == "What was <|Δ14|>? And <|Δ9|>?"
    assert script.asked[1]["messages"] == [
        ASKED[0],
        {"role": "user", "content": f"What was {DESK}? And <|Δ9|>?"},
    ]
    assert told(response.text) == "I see: <|Δ14|>"  # it has no such token, so it means these letters


async def test_an_answer_that_breaks_within_a_token_goes_on_in_words(tmp_path):
    script = Script([
        [event({"content": "It is <|Δ14|>"}), event({"content": " and <|Δ1"}), ERROR],
        ending(" so."),
    ])
    async with gateway(script, tmp_path, ", scenes: hyper") as client:
        response = await chat(client)
    assert told(response.text) == f"It is {DESK} and  so."
    assert script.asked[1]["messages"][-2]["content"] == "It is <|Δ14|> and "


async def test_arguments_of_calls_stay_json(tmp_path):
    pieces = ['{"text": "<|Δ1', '45|>"', "}"]
    calls = [
        event({
            "tool_calls": [
                {"index": 0, "id": "1", "type": "function", "function": {"name": "note", "arguments": each}}
            ]
        })
        for each in pieces
    ]
    script = Script([[*calls, event({}, "tool_calls") + "data: [DONE]\n\n"]])
    async with gateway(script, tmp_path, ", scenes: hyper") as client:
        lines = (await chat(client)).text.splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    arguments = "".join(
        call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls", ())
    )
    assert json.loads(arguments) == {"text": DOOR}


async def test_an_answer_that_is_json_stays_json_though_nobody_asked_for_it(tmp_path):
    answer = [event({"content": each}) for each in ("{", '"text": ', '"', "<|Δ145|>", '"}')]
    script = Script([[*answer, event({}, "stop") + "data: [DONE]\n\n"]])
    async with gateway(script, tmp_path, ", scenes: hyper") as client:
        assert json.loads(told((await chat(client)).text)) == {"text": DOOR}


async def test_a_call_that_asks_for_log_probabilities_is_asked_in_words_and_told_why(tmp_path):
    script = Script([ending("Fine.")])
    async with gateway(script, tmp_path, ", scenes: hyper") as client:
        response = await chat(client, logprobs=True)
    assert script.asked[0]["messages"] == ASKED
    assert "refused=logprobs" in response.headers["x-hyperbridge-scenes"]


async def test_a_model_without_such_tokens_has_the_layer_safe_and_says_why(tmp_path):
    script = Script([ending("Fine.")])
    async with gateway(script, tmp_path) as client:
        response = await client.post(
            "/v1/chat/completions",
            json={"model": "other", "messages": ASKED, "stream": True},
            headers={"x-hyperbridge-scenes": "hyper"},
        )
    assert script.asked[0]["messages"] == ASKED
    assert response.headers["x-hyperbridge-scenes"].startswith("hyper;")
    assert "refused=hypertokens" in response.headers["x-hyperbridge-scenes"]


async def test_no_upstream_sees_the_mark_of_a_passage(tmp_path):
    parts = [{"type": "text", "text": "So?"}, {"type": "text", "text": DESK, "hyperbridge": "context"}]
    script = Script([ending("Fine."), ending("Fine.")])
    async with gateway(script, tmp_path, ", scenes: hyper") as client:
        await chat(client, [{"role": "user", "content": parts}])
        await chat(client, [{"role": "user", "content": parts}], logprobs=True)
    told = [each["messages"][0]["content"] for each in script.asked]
    assert told == [
        [parts[0], {"type": "text", "text": "<|Δ14|>"}],
        [parts[0], {"type": "text", "text": DESK}],
    ]


async def test_a_dry_run_shows_what_a_call_would_send(tmp_path):
    async with gateway(Script([]), tmp_path, ", scenes: hyper") as client:
        shown = (await client.post("/v1/scenes/encode", json={"model": "own", "messages": ASKED})).json()
    assert [each["content"] for each in shown["messages"]] == [each["content"] for each in SAID]
    assert shown["layer"] == "hyper"


@pytest.mark.parametrize(
    ("model", "file", "said"),
    [
        (
            ", hypertokens: nowhere",
            BOOK.to_json(),
            r"models\.own\.hypertokens: 'nowhere' is none of scenes\.hypertokens",
        ),
        ("", b"{}", r"scenes\.hypertokens\.desk: is no book of hypertokens"),
        ("", None, r"scenes\.hypertokens\.desk: .*No such file"),
    ],
)
async def test_what_is_wrong_is_named_with_its_setting(tmp_path, model, file, said):
    if file is not None:
        (tmp_path / "desk.json").write_bytes(file)
    yaml = f"""
upstreams: {{demo: {{kind: demo}}}}
models: {{own: {{upstream: demo, model: demo{model}}}}}
scenes: {{hypertokens: {{desk: desk.json}}}}
"""
    with pytest.raises(ConfigError, match=said):
        async with gateway_of(yaml, tmp_path):
            pass
