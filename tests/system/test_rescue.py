"""A stream that broke is gone on with: the client gets one whole answer, or an explicit error."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from sim.server import Twin
from tests.support.gateway import Served, gateway_of
from tests.support.waiting import eventually

WHOLE = "".join(f"word{number} " for number in range(12))


def configuration(url: str) -> str:
    timeouts = "timeouts: {connect: 1, first_content: 2, gap: 0.5, total: 10}"
    return f"""
upstreams:
  twin: {{kind: openai, url: "{url}", {timeouts}}}
  fleet: {{kind: vllm, replicas: ["{url}"], health_check_seconds: 0, {timeouts}}}
models:
  words: twin/twin?chunks=12
  tight: {{upstream: twin, model: "twin?chunks=12&cut=5", attempts: 2}}
  plain: {{upstream: twin, model: "twin?chunks=12&cut=5", rescue: false}}
  other: {{upstream: twin, model: "twin?chunks=12&cut=5&prefill=reject", retries: 0, fallbacks: ["fleet/twin?chunks=12&prefill=reject"]}}
"""


@pytest.fixture
async def gateway(upstream: tuple[Twin, str], tmp_path: Path) -> AsyncGenerator[Served]:
    async with gateway_of(configuration(upstream[1]), tmp_path) as running:
        yield running


def body_of(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}], **more}


async def ask(client: httpx.AsyncClient, model: str, **more: Any) -> str:
    answer = await client.post("/v1/chat/completions", json=body_of(model, **more))
    assert answer.status_code == 200
    return answer.text


def chunks(stream: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in stream.split("\n") if line.startswith("data: {")]


def text_of(stream: str) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for chunk in chunks(stream)
        for choice in chunk.get("choices", [])
    )


@pytest.mark.parametrize("kind", ["twin", "fleet"], ids=["by instruction", "by prefill"])
@pytest.mark.parametrize(
    "fault", ["cut=5", "stall=5", "malformed=5", "error=5", "done=0&finish=0", "cut=1", "cut=12"]
)
async def test_the_client_gets_one_whole_answer(client, kind, fault):
    stream = await ask(client, f"{kind}/x?chunks=12&gap=0.005&{fault}&fail=1")

    assert text_of(stream) == WHOLE
    assert stream.endswith("data: [DONE]\n\n")
    assert '"error"' not in stream
    said = chunks(stream)
    assert len({chunk["id"] for chunk in said}) == 1
    assert sum(choice["delta"].get("role") == "assistant" for each in said for choice in each["choices"]) == 1
    last = said[-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["hyperbridge"]["rescues"] == 1
    assert last["hyperbridge"]["attempts"] == 2


async def test_an_answer_is_gone_on_with_as_often_as_attempts_are_left(client):
    stream = await ask(client, "twin/x?chunks=12&cut=5")

    assert text_of(stream) == WHOLE
    assert chunks(stream)[-1]["hyperbridge"]["rescues"] == 2


async def test_where_no_attempt_is_left_the_stream_ends_with_an_error(client):
    stream = await ask(client, "tight")

    assert text_of(stream) == WHOLE[: WHOLE.index("word10")]
    assert "[DONE]" not in stream
    assert '"code":"upstream_broken"' in stream.rsplit("data: ", 1)[1]


@pytest.mark.parametrize("more", ["overlap=3", "overlap=12", "restart=1"])
async def test_what_a_continuation_repeats_is_taken_away(client, more):
    """The route stays the same, so it is the second answer that repeats."""
    stream = await ask(client, f"twin/x?chunks=12&cut=6&{more}&fail=1")

    assert text_of(stream) == WHOLE
    assert stream.endswith("data: [DONE]\n\n")


async def test_who_refuses_a_prefilled_answer_is_asked_by_instruction(client, upstream, gateway):
    stream = await ask(client, "other")

    assert text_of(stream) == WHOLE
    first, refused, instructed = [seen.json()["messages"] for seen in upstream[0].seen]
    assert [message["role"] for message in first] == ["user"]
    assert [message["role"] for message in refused] == ["user", "assistant"]
    assert [message["role"] for message in instructed] == ["user", "assistant", "user"]
    await eventually(lambda: '"rescues":1' in gateway.log_text())


async def test_prefill_asks_vllm_to_continue_the_message(client, upstream):
    await ask(client, "fleet/x?chunks=12&cut=5&fail=1", max_tokens=12)

    again = upstream[0].seen[-1].json()
    assert again["continue_final_message"] is True
    assert again["add_generation_prompt"] is False
    assert again["messages"][-1] == {"role": "assistant", "content": WHOLE[: WHOLE.index("word5")].rstrip()}
    assert again["max_tokens"] == 7


async def test_usage_is_that_of_the_whole_answer(client):
    stream = await ask(client, "fleet/x?chunks=12&cut=5&fail=1", stream_options={"include_usage": True})

    usage = [chunk["usage"] for chunk in chunks(stream) if chunk.get("usage")]
    # thirteen: the space at the seam is written by both
    assert usage == [{"prompt_tokens": 1, "completion_tokens": 13, "total_tokens": 14}]


async def test_a_completion_is_gone_on_with_by_its_prompt(client, upstream):
    body = {"model": "twin/x?chunks=12&cut=5&fail=1", "stream": True, "prompt": "Say: "}
    answer = await client.post("/v1/completions", json=body)

    said = "".join(choice["text"] for chunk in chunks(answer.text) for choice in chunk["choices"])
    assert said == WHOLE
    assert upstream[0].seen[-1].json()["prompt"] == "Say: " + WHOLE[: WHOLE.index("word5")]


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"structured_outputs": {"regex": "a+"}},
        {"guided_json": {}},
        {"continue_final_message": True},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_what_is_more_than_one_text_is_never_joined(client, upstream, gateway, more):
    stream = await ask(client, "twin/x?chunks=12&cut=5", **more)

    assert "[DONE]" not in stream
    assert '"code":"upstream_broken"' in stream.rsplit("data: ", 1)[1]
    assert len(upstream[0].seen) == 1
    await eventually(lambda: f"not continued: {next(iter(more))} is set" in gateway.log_text())


async def test_the_arguments_of_a_tool_are_never_joined(client, upstream):
    stream = await ask(client, "twin/x?chunks=12&cut=5&tool=1")

    assert "[DONE]" not in stream
    assert len(upstream[0].seen) == 1


async def test_rescue_can_be_switched_off(client, upstream):
    stream = await ask(client, "plain")

    assert "[DONE]" not in stream
    assert len(upstream[0].seen) == 1


async def test_the_official_client_sees_nothing_of_it(gateway):
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as sdk:
        stream = await sdk.chat.completions.create(
            model="twin/x?chunks=12&cut=5&fail=1", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(said) == WHOLE


async def test_every_attempt_is_in_the_record_with_its_tokens(client, gateway):
    await ask(client, "twin/x?chunks=12&cut=5&fail=1")

    await eventually(lambda: '"exchange"' in gateway.log_text())
    line = json.loads(gateway.log_text().splitlines()[-1])
    assert [(each["kind"], each["outcome"]) for each in line["tries"]] == [
        ("first", "upstream_broken"),
        ("rescue", "ok"),
    ]
    assert [(each["output_tokens"], each["estimated"]) for each in line["tries"]] == [(5, True), (7, False)]
    assert (line["output_tokens"], line["estimated"], line["outcome"]) == (12, True, "ok")
