"""POST /v1/scenes/encode and /v1/scenes/decode: what a call would send, what that saves, and the way back."""

import json
from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from scenes.codebook.adaptive import Adaptive
from tests.scenes.phrases import repeated
from tests.support.gateway import gateway_of
from tests.support.vocabularies import FAMILIES, TOKENIZERS

ENCODE, DECODE, CHAT = "/v1/scenes/encode", "/v1/scenes/decode", "/v1/chat/completions"
ALL, ONE = "hb-all-00000001", "hb-one-00000002"
ROWS = [{"id": n, "name": f"part-{n}", "price": n * 1.5, "currency": "EUR"} for n in range(40)]
RESULT = json.dumps(ROWS)
COMPACT = json.dumps(ROWS, separators=(",", ":"))
AGAIN = repeated()
KEYS = f"""
keys:
  - {{id: all, sha256: {sha256(ALL.encode()).hexdigest()}, models: ["*"], limits: {{requests: "100/hour"}}}}
  - {{id: one, sha256: {sha256(ONE.encode()).hexdigest()}, models: [coded]}}
"""


@pytest.fixture
async def client(upstream, tmp_path) -> AsyncGenerator[httpx.AsyncClient]:
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
models:
  plain: twin/plain
  coded: {{upstream: twin, model: qwen2.5, scenes: codebook}}
{KEYS}
"""
    async with (
        gateway_of(yaml, tmp_path) as served,
        httpx.AsyncClient(
            base_url=served.url, timeout=60, headers={"authorization": f"Bearer {ALL}"}
        ) as opened,
    ):
        yield opened


async def told(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(ENCODE, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def undone(client: httpx.AsyncClient, text: str) -> str:
    answer = await client.post(DECODE, json={"text": text})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["text"])


async def test_a_text_is_said_shorter_with_what_that_saves_and_comes_back(client):
    found = await told(client, text=RESULT)
    assert (found["layer"], found["model"], found["forms"]) == ("safe", None, {"table": 1})
    assert found["text"].startswith("[table ")
    assert found["round_trip"] == {"exact": False, "canonical": True}, "JSON has lost its spaces"
    assert [part["form"] for part in found["parts"]] == ["table"]
    assert [each["tokenizer"] for each in found["tokens"]] == ["rough-digits", "rough-triples"]
    for each in found["tokens"]:
        assert not each["exact"]
        assert each["after"] < 0.6 * each["before"]
    assert found["density"]["tokens"] > 1.6
    assert found["messages"] is None
    assert found["encode_ms"] > 0
    assert await undone(client, found["text"]) == COMPACT


async def test_codes_are_told_with_their_phrases(client):
    found = await told(client, text=AGAIN, layer="codebook")
    assert found["round_trip"] == {"exact": True, "canonical": True}
    assert found["legend"] == Adaptive().phrases(found["text"])
    assert await undone(client, found["text"]) == AGAIN


async def test_the_dry_run_of_a_chat_is_what_its_call_sends(client, upstream):
    tool = {"role": "tool", "tool_call_id": "c", "content": RESULT}
    messages = [{"role": "user", "content": "Which part is dear?"}, tool, tool | {"content": AGAIN}]
    for model in ("plain", "coded"):
        found = await told(client, model=model, messages=messages)
        layer = found["layer"]
        assert layer == {"plain": "safe", "coded": "codebook"}[model], "the model's own, or safe"
        wish = {"x-hyperbridge-scenes": layer}
        answer = await client.post(CHAT, json={"model": model, "messages": messages}, headers=wish)
        assert answer.status_code == 200
        assert found["messages"] == upstream[0].seen[-1].json()["messages"]
        assert [part["message"] for part in found["parts"]] == [1, 2]
        assert found["text"] is None


async def test_a_dry_run_asks_no_upstream_and_is_no_saving(client, upstream):
    before = len(upstream[0].seen)
    answer = await client.post(ENCODE, json={"model": "plain", "text": RESULT})
    assert answer.headers["x-ratelimit-remaining-requests"] == "99"
    assert len(upstream[0].seen) == before
    metrics = (await client.get("/metrics")).text
    assert "hyperbridge_scene_parts_total{" not in metrics
    assert 'operation="scenes",outcome="ok"' in metrics


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 20, "fewer than 160 characters"),
        ("y" * 1_000_001, "more than 1000000 characters"),
        ("[log lines=1 x]\n" + RESULT, "nothing could tell the two apart"),
        (
            "The sea was calm. " * 3 + "A quiet day, with no two words that come again in it anywhere. " * 2,
            "no form",
        ),
        ("\n".join(["the very same line, said again"] * 6), "least_tokens"),
    ],
    ids=["short", "long", "marker", "nothing", "little"],
)
async def test_what_stays_as_it_is_says_why(client, text, why):
    found = await told(client, text=text)
    assert found["text"] == text
    [part] = found["parts"]
    assert part["form"] is None
    assert why in part["why"]
    assert found["round_trip"] == {"exact": True, "canonical": True}
    assert all(each["before"] == each["after"] for each in found["tokens"])


async def test_what_codes_do_not_go_together_with_is_told(client):
    found = await told(client, text=AGAIN, layer="codebook", logprobs=True, model="plain")
    assert found["refused"] is None, "a text is a chat of its own"
    tool = {"role": "tool", "tool_call_id": "c", "content": AGAIN}
    found = await told(client, messages=[tool], layer="codebook", logprobs=True)
    assert (found["refused"], found["legend"]) == ("logprobs", {})


async def test_a_layer_that_leaves_something_out_promises_no_way_back(client):
    found = await told(client, messages=[{"role": "user", "content": "Hello"}], layer="scenes")
    assert (found["parts"], found["round_trip"]) == (None, None)


async def test_parts_in_a_users_fences_are_told_and_all_else_stays(client):
    text = f"Compare  this:\n```json\n{RESULT}\n```\nand\n```text\nshort\n```\nSay why."
    found = await told(
        client, messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    )
    assert [(part["message"], part["form"]) for part in found["parts"]] == [(1, "table"), (1, None)]
    assert found["round_trip"] == {"exact": False, "canonical": True}
    assert await undone(client, found["messages"][1]["content"]) == text.replace(RESULT, COMPACT)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"text": "x", "messages": []}, None),
        ({"text": 5}, "text"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["x"]}, "messages"),
        ({"text": "x", "layer": "shadow"}, "layer"),
        ({"text": "x", "model": 5}, "model"),
    ],
)
async def test_what_is_wrong_is_told(client, body, param):
    answer = await client.post(ENCODE, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


@pytest.mark.parametrize("depth", [300, 900, 100_000])
async def test_a_body_nested_too_deep_is_refused_as_in_a_call(client, depth):
    body = f'{{"messages":[{{"role":"tool","content":{"[" * depth}{"]" * depth}}}]}}'
    answer = await client.post(ENCODE, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "nested" in answer.json()["error"]["message"]


async def test_a_model_is_as_unknown_and_as_forbidden_as_in_a_call(client):
    answer = await client.post(ENCODE, json={"text": "x", "model": "plane"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    headers = {"authorization": f"Bearer {ONE}"}
    answer = await client.post(ENCODE, json={"text": "x", "model": "plain"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")


async def test_a_text_that_cannot_be_undone_says_in_which_line(client):
    answer = await client.post(DECODE, json={"text": "one\ntwo\n[log lines=7 x]\nsecret"})
    assert answer.status_code == 400
    assert "line 3" in answer.json()["error"]["message"]
    assert "secret" not in answer.text
    answer = await client.post(
        DECODE, content=b'{"text":"\\ud800"}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400, "half a character is no text"


async def test_tokens_are_told_by_every_vocabulary_that_is_configured(upstream, tmp_path):
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
scenes: {{tokenizers: "{TOKENIZERS}"}}
"""
    async with (
        gateway_of(yaml, tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as client,
    ):
        found = await told(client, text=RESULT)
    assert {each["tokenizer"] for each in found["tokens"]} == {*FAMILIES}
    assert all(each["exact"] for each in found["tokens"])


async def test_a_vocabulary_that_cannot_be_read_is_told_and_what_it_counts_is_left_out(upstream, tmp_path):
    (tmp_path / "vocabularies" / "qwen").mkdir(parents=True)
    (tmp_path / "vocabularies" / "qwen" / "tokenizer.json").write_text("{}")
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
models: {{coded: {{upstream: twin, model: Qwen/Qwen3-8B}}}}
scenes: {{tokenizers: "{tmp_path / "vocabularies"}"}}
"""
    async with gateway_of(yaml, tmp_path) as served, httpx.AsyncClient(base_url=served.url) as client:
        found = await told(client, text=RESULT, model="coded", layer="safe")
    assert found["refused"] == "tokenizer"
    assert found["parts"] is found["density"] is None
    assert found["text"] == RESULT
