"""A wish to think or not reaches the upstream in its own words; thoughts reach the client under both names."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from sim.server import Twin
from tests.support.gateway import Served, gateway_of

THOUGHTS = "thought0 thought1 thought2 "


def configuration(url: str) -> str:
    timeouts = "timeouts: {connect: 5, first_content: 10, gap: 5, total: 20}"
    vllm = f'kind: vllm, replicas: ["{url}"], health_check_seconds: 0'
    return f"""
upstreams:
  twin: {{kind: openai, url: "{url}", {timeouts}}}
  fleet: {{{vllm}, {timeouts}}}
  demo: {{kind: demo}}
models:
  quick: {{upstream: fleet, model: "qwen3-8b?chunks=2", thinking: off}}
  quoted: {{upstream: fleet, model: "qwen3-8b?chunks=2", thinking: "off"}}
  deep: {{upstream: fleet, model: "qwen3-8b?chunks=2", thinking: on}}
  pair: {{upstream: fleet, model: "qwen3-8b?status=503&retry_after=0", thinking: off, retries: 0, fallbacks: [reasoner]}}
  reasoner: {{upstream: twin, model: "deepseek-r1?chunks=2", thinking: off}}
  plain: twin/twin
"""


@pytest.fixture
async def gateway(upstream: tuple[Twin, str], tmp_path: Path) -> AsyncGenerator[Served]:
    async with gateway_of(configuration(upstream[1]), tmp_path) as running:
        yield running


def body_of(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


async def ask(client: httpx.AsyncClient, model: str, headers: dict[str, str] | None = None, **more: Any):
    answer = await client.post("/v1/chat/completions", json=body_of(model, **more), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def deltas(stream: str) -> list[dict[str, Any]]:
    chunks = [json.loads(line[6:]) for line in stream.split("\n") if line.startswith("data: {")]
    return [choice["delta"] for chunk in chunks for choice in chunk.get("choices", [])]


@pytest.mark.parametrize("script", ["thoughts=reasoning", "thoughts=reasoning_content"])
@pytest.mark.parametrize("more", ["", "&split=7", "&newline=crlf"])
async def test_a_streams_thoughts_have_both_names(client, script, more):
    stream = (await ask(client, f"twin/x?reasoning=3&chunks=2&{script}{more}", stream=True)).text

    for name in ("reasoning", "reasoning_content"):
        assert "".join(delta.get(name) or "" for delta in deltas(stream)) == THOUGHTS
    assert "".join(delta.get("content") or "" for delta in deltas(stream)) == "word0 word1 "
    assert stream.rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize("script", ["thoughts=reasoning", "thoughts=reasoning_content"])
async def test_a_plain_answers_thoughts_have_both_names(client, script):
    answer = await ask(client, f"twin/x?reasoning=3&chunks=2&{script}")

    message = answer.json()["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] == THOUGHTS
    assert message["content"] == "word0 word1 "


@pytest.mark.parametrize("model", ["fleet/x?reasoning=3&chunks=12", "twin/x?reasoning=3&chunks=12"])
@pytest.mark.parametrize("cut", [2, 3, 8])
async def test_a_stream_that_breaks_and_is_gone_on_with_has_its_thoughts_once(client, model, cut):
    stream = (await ask(client, f"{model}&cut={cut}&fail=1", stream=True)).text

    said = {name: [delta[name] for delta in deltas(stream) if delta.get(name)] for name in
            ("reasoning", "reasoning_content", "content")}  # fmt: skip
    assert said["reasoning"] == said["reasoning_content"]
    assert "".join(said["content"]) == "".join(f"word{number} " for number in range(12))
    assert len(said["reasoning"]) == len(set(said["reasoning"]))


async def test_the_sdk_reads_either_name(gateway: Served):
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any") as client:
        answer = await client.chat.completions.create(**body_of("twin/x?reasoning=3&chunks=2"))

    assert answer.choices[0].message.model_extra == {"reasoning_content": THOUGHTS, "reasoning": THOUGHTS}


@pytest.mark.parametrize("model", ["quick", "quoted"])
async def test_a_model_is_configured_not_to_think(client, upstream, model):
    answer = await ask(client, model)

    assert upstream[0].seen[-1].json()["chat_template_kwargs"] == {"enable_thinking": False}
    assert answer.headers["x-hyperbridge-thinking"] == "off"


async def test_a_client_asks_for_what_it_wants_and_that_member_stays_here(client, upstream):
    by_body = await ask(client, "deep", hyperbridge={"thinking": "off"})
    by_header = await ask(client, "quick", {"x-hyperbridge-thinking": "on"})
    left = await ask(client, "deep", hyperbridge={"thinking": "auto"})

    first, second, third = [seen.json() for seen in upstream[0].seen]
    assert first["chat_template_kwargs"] == {"enable_thinking": False}
    assert "hyperbridge" not in first
    assert second["chat_template_kwargs"] == {"enable_thinking": True}
    assert "chat_template_kwargs" not in third
    told = [answer.headers.get("x-hyperbridge-thinking") for answer in (by_body, by_header, left)]
    assert told == ["off", "on", None]


async def test_a_clients_own_switch_is_left_as_it_is(client, upstream):
    own = {"enable_thinking": True, "tone": "dry"}
    answer = await ask(client, "quick", chat_template_kwargs=own)

    assert upstream[0].seen[-1].json()["chat_template_kwargs"] == own
    assert "x-hyperbridge-thinking" not in answer.headers


async def test_a_wish_that_a_model_cannot_follow_is_told_and_no_error(client, upstream):
    answer = await ask(client, "reasoner", stream=True)

    assert answer.headers["x-hyperbridge-thinking"] == "unsupported"
    assert upstream[0].seen[-1].json().keys() == {"model", "messages", "stream", "stream_options"}


async def test_what_is_told_is_of_the_route_that_answered(client, upstream):
    answer = await ask(client, "pair")

    assert answer.headers["x-hyperbridge-thinking"] == "unsupported"
    first, second = [seen.json() for seen in upstream[0].seen]
    assert first["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in second


async def test_the_demo_thinks_when_it_is_asked_to(client):
    thinks = await ask(client, "demo/demo", hyperbridge={"thinking": "on"})
    answers = await ask(client, "demo/demo", reasoning_effort="none")

    assert thinks.json()["choices"][0]["message"]["reasoning"]
    assert "reasoning" not in answers.json()["choices"][0]["message"]
    assert [each.headers["x-hyperbridge-thinking"] for each in (thinks, answers)] == ["on", "off"]


async def test_a_wish_of_another_word_is_refused_with_the_right_ones(client):
    answer = await client.post(
        "/v1/chat/completions", json=body_of("quick"), headers={"x-hyperbridge-thinking": "no"}
    )

    assert answer.status_code == 400
    assert "on, off, auto" in answer.json()["error"]["message"]
