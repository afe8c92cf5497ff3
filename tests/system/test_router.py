"""The router as a client meets it: the mode of a question, the headers that say why, a dry run, and what is refused."""

import json
from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import Any

import httpx
import openai
import pytest

from tests.support.gateway import Served, gateway_of
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
ALL, ONE, NONE = "hb-all-00000001", "hb-one-00000002", "hb-none-0000003"
CONFIGURATION = f"""
upstreams: {{demo: {{kind: demo}}}}
router: {{catalogue_seconds: 300}}
models:
  demo: demo/demo
  slow: demo/demo-slow
  risk: {{upstream: demo, model: demo, mode: metrics}}
keys:
  - {{id: all, sha256: {sha256(ALL.encode()).hexdigest()}, models: ["*"]}}
  - {{id: one, sha256: {sha256(ONE.encode()).hexdigest()}, models: [slow]}}
  - {{id: none, sha256: {sha256(NONE.encode()).hexdigest()}, models: []}}
"""
SAID = {
    "code": "Write a Python function that merges two sorted lists.",
    "metrics": "Посчитай коэффициент Шарпа и максимальную просадку портфеля за год",
    "quick": "What is the capital of France?",
    "maths": "Solve the equation x^2 - 5x + 6 = 0",
    "ideas": "Придумай новую креативную торговую стратегию для крипторынка",
}


@pytest.fixture
async def gateway(tmp_path) -> AsyncGenerator[Served]:
    async with gateway_of(CONFIGURATION, tmp_path) as served:
        yield served


@pytest.fixture
async def client(gateway) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {ALL}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as opened:
        yield opened


def asking(text: str, **members: object) -> dict[str, object]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **members}


@pytest.mark.parametrize(("mode", "text"), SAID.items(), ids=SAID)
async def test_the_mode_of_a_question_is_found_and_told(client, mode, text):
    answer = await client.post(CHAT, json=asking(text))

    assert answer.status_code == 200
    assert answer.headers["x-hyperbridge-mode"] == mode
    assert answer.headers["x-hyperbridge-route"] in {"demo", "slow"}
    assert answer.headers["x-hyperbridge-reason"].startswith("v1; by=classifier; p=")


async def test_an_image_is_seen_by_a_rule(client):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = asking("x") | {"messages": [{"role": "user", "content": [image]}]}

    answer = await client.post(CHAT, json=body)

    assert answer.headers["x-hyperbridge-mode"] == "vision"
    assert "by=rule; rule=router.rules[0]" in answer.headers["x-hyperbridge-reason"]


async def test_a_dry_run_says_what_was_seen_what_was_chosen_and_why(client):
    told = (await client.post("/v1/route", json=asking(SAID["code"]))).json()

    assert (told["mode"], told["by"]) == ("code", "classifier")
    assert told["features"]["language"] == "en"
    assert max(told["probabilities"], key=told["probabilities"].get) == "code"
    assert told["words"]
    assert {each["name"] for each in told["candidates"]} == {"demo", "slow"}
    assert told["routes"][0]["members"]["temperature"] == 0.2
    assert told["lens_characters"] > 0
    assert told["error"] is None


async def test_a_dry_run_of_what_is_refused_says_why(client):
    nothing_like_it = {"model": "demo", "messages": [], "hyperbridge": {"mode": "cod"}}
    told = (await client.post("/v1/route", json=nothing_like_it)).json()

    assert told["routes"] == []
    assert "Did you mean 'code'" in told["error"]["message"]
    assert told["error"]["param"] == "hyperbridge.mode"


async def test_a_dry_run_and_a_call_agree_in_every_dialect(client):
    for path, body in (
        ("/v1/responses", {"model": "auto", "input": SAID["quick"]}),
        ("/v1/messages", {"model": "auto", "max_tokens": 9, "messages": asking(SAID["quick"])["messages"]}),
        ("/v1/completions", {"model": "auto", "prompt": SAID["quick"]}),
    ):
        answer = await client.post(path, json=body)
        told = (await client.post("/v1/route", json=body)).json()

        assert answer.status_code == 200, path
        assert answer.headers["x-hyperbridge-mode"] == told["mode"] == "quick"


async def test_auto_chooses_among_what_the_key_may_use(gateway):
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
        one = await client.post(CHAT, json=asking("x"), headers={"authorization": f"Bearer {ONE}"})
        none = await client.post(CHAT, json=asking("x"), headers={"authorization": f"Bearer {NONE}"})

    assert one.headers["x-hyperbridge-route"] == "slow"
    assert (none.status_code, none.json()["error"]["code"]) == (403, "model_not_allowed")


async def test_a_dry_run_names_no_model_that_the_key_may_not_use(gateway):
    headers = {"authorization": f"Bearer {ONE}"}
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30, headers=headers) as client:
        told = (await client.post("/v1/route", json=asking("x"))).json()

    assert [each["name"] for each in told["candidates"]] == ["slow"]
    assert "rejected=1" in told["reason"]


async def test_a_fallback_to_auto_is_told_by_calls_and_dry_runs(client):
    body = asking(SAID["code"], models=["demo/demo-slow", "auto"])
    del body["model"]
    answer = await client.post(CHAT, json=body)
    told = (await client.post("/v1/route", json=body)).json()

    assert answer.headers["x-hyperbridge-mode"] == told["mode"] == "none"
    assert answer.headers["x-hyperbridge-reason"] == told["reason"] == "v1; by=client; auto=code"
    assert {each["name"] for each in told["candidates"]} == {"demo", "slow"}
    assert told["policy"] == "quality"
    assert told["probabilities"]["code"] > 0.5
    assert told["words"]


async def test_a_request_that_no_model_can_take_is_refused_with_the_reasons(client):
    refused = await client.post("/v1/embeddings", json={"model": "auto", "input": "x", "models": ["demo"]})
    too_long = await client.post(CHAT, json=asking("word " * 40_000))

    assert refused.status_code == 200
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "no_model_fits")
    assert "holds 32768 tokens" in too_long.json()["error"]["message"]


async def test_the_official_client_asks_for_a_mode_and_reads_what_was_chosen(gateway):
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=ALL) as client:
        raw = await client.chat.completions.with_raw_response.create(
            model="auto",
            messages=[{"role": "user", "content": "How should this grow?"}],
            extra_body={"hyperbridge": {"mode": "field"}, "models": ["slow"]},
        )

    assert raw.headers["x-hyperbridge-mode"] == "field"
    assert raw.headers["x-hyperbridge-reason"].startswith("v1; by=client")
    assert raw.parse().choices[0].message.content


async def test_metrics_and_the_log_line_tell_the_decision(gateway, client):
    await client.post(CHAT, json=asking(SAID["code"]))
    await client.post(CHAT, json={**asking("x"), "model": "risk"})

    metrics = (await client.get("/metrics")).text

    def is_told() -> bool:
        lines = gateway.log.read_text().splitlines()
        return any('"mode":"code"' in line and "by=classifier" in line for line in lines)

    assert 'hyperbridge_decisions_total{by="classifier",mode="code"} 1.0' in metrics
    assert 'hyperbridge_decisions_total{by="alias",mode="metrics"} 1.0' in metrics
    await eventually(is_told, 5)


async def test_the_list_of_models_holds_auto_for_keys_that_may_use_a_model(gateway):
    async def listed(key: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as asking:
            answer = await asking.get("/v1/models")
        return {each["id"]: each["hyperbridge"] for each in answer.json()["data"]}

    every, one, none = [await listed(key) for key in (ALL, ONE, NONE)]

    assert [place["model"] for place in every["auto"]["upstreams"]] == ["demo", "demo-slow"]
    assert [place["model"] for place in one["auto"]["upstreams"]] == ["demo-slow"]
    assert none == {}


async def test_a_dry_run_is_written_down_as_one(client, gateway):
    headers = {"x-request-id": "dry-1"}
    await client.post("/v1/route", json=asking(SAID["code"], user="somebody"), headers=headers)
    wrong = await client.post("/v1/route", json={"model": "auto", "messages": "none"}, headers=headers)
    await eventually(lambda: gateway.log_text().count('"dry-1"') == 2)
    written = [json.loads(line) for line in gateway.log_text().splitlines() if '"dry-1"' in line]

    assert wrong.status_code == 400
    assert [(each["operation"], each["status"], each["outcome"]) for each in written] == [
        ("route", 200, "ok"),
        ("route", 400, "bad_request"),
    ]
    assert (written[0]["caller"], written[0]["model"], written[0]["attempts"]) == ("all", None, 0)
    assert written[0]["bytes_in"]
    assert written[0]["user"]
    assert written[0]["prompt"]
    assert "somebody" not in str(written)
    metrics = (await client.get("/metrics")).text
    assert 'operation="route",outcome="bad_request"' in metrics


async def test_a_dry_run_leaves_no_trace_in_its_conversation(client):
    body = asking(SAID["code"], hyperbridge={"conversation": "c1"})
    await client.post("/v1/route", json=body)
    answer = await client.post(CHAT, json=asking("?", hyperbridge={"conversation": "c1"}))

    assert "by=conversation" not in answer.headers["x-hyperbridge-reason"]
