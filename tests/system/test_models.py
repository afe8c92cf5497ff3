"""GET /v1/models, and models asked for by name: aliases, upstreams' models, adapters, and what is missing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import httpx

from sim.house import House
from sim.nebius import Nebius
from sim.server import Twin
from sim.vllm import Vllm
from tests.support.gateway import gateway_of

CHAT = "/v1/chat/completions"
NARROW, POET = "hb-narrow-0001", "hb-poet-0002"


def configuration(nebius: str, local: str, more: str = "") -> str:
    return f"""
upstreams:
  nebius: {{kind: nebius, url: "{nebius}", api_key: a-key}}
  local: {{kind: vllm, replicas: ["{local}"], health_check_seconds: 0}}
models:
  deep: nebius/deepseek-ai/DeepSeek-V3
  house: {{upstream: local, model: base, fallbacks: [deep]}}
{more}
"""


KEYS = f"""
keys:
  - {{id: narrow, sha256: {sha256(NARROW.encode()).hexdigest()}, models: [house, google/gemma-3-27b-it]}}
  - {{id: poet, sha256: {sha256(POET.encode()).hexdigest()}, models: ["local/base:poet"]}}
"""


@asynccontextmanager
async def twin_of(house: House) -> AsyncGenerator[tuple[Twin, str]]:
    twin = Twin(house=house)
    port = await twin.start()
    try:
        yield twin, f"http://127.0.0.1:{port}/v1"
    finally:
        await twin.stop()


@asynccontextmanager
async def asking(
    folder: Path, more: str = "router: {catalogue_seconds: 300}"
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a gateway with a Nebius and a vLLM behind it."""
    async with (
        twin_of(Nebius()) as (_, nebius),
        twin_of(Vllm(("base", "openai/gpt-oss-120b"), ("poet",))) as (_, local),
        gateway_of(configuration(nebius, local, more), folder) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
    ):
        yield client


async def answered_by(client: httpx.AsyncClient, model: str, **headers: str) -> tuple[int, str]:
    answer = await client.post(CHAT, json={"model": model, "messages": [], "max_tokens": 5}, headers=headers)
    if answer.is_success:
        return 200, f"{answer.headers['x-hyperbridge-upstream']} {answer.headers['x-hyperbridge-model']}"
    return answer.status_code, answer.json()["error"]["message"]


async def test_a_model_is_asked_for_by_every_name_it_has(tmp_path):
    async with asking(tmp_path) as client:
        assert await answered_by(client, "local/base:poet") == (200, "local poet")
        assert await answered_by(client, "poet") == (200, "local poet")
        assert await answered_by(client, "google/gemma-3-27b-it") == (200, "nebius google/gemma-3-27b-it")
        both = await answered_by(client, "openai/gpt-oss-120b")
        none = await answered_by(client, "local/base:pot")

    assert both[0] == 404
    assert both[1].endswith("ask for 'nebius/openai/gpt-oss-120b' or 'local/openai/gpt-oss-120b'.")
    assert none == (404, "'local/base' has no adapter 'pot'. Did you mean 'local/base:poet'?")


async def test_an_adapter_that_was_just_loaded_is_known_by_its_base_once_models_were_listed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("app.inventory.FRESH_SECONDS", 0.0)
    async with (
        twin_of(Nebius()) as (_, nebius),
        twin_of(Vllm(("base",), ("poet",))) as (_, local),
        gateway_of(configuration(nebius, local), tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
    ):
        await client.get("/v1/models")
        lora = {"lora_name": "clerk", "lora_path": "/loras/clerk"}
        (await client.post(f"{local}/load_lora_adapter", json=lora)).raise_for_status()
        assert await answered_by(client, "local/clerk") == (200, "local clerk")
        assert (await answered_by(client, "local/base:clerk"))[0] == 404
        await client.get("/v1/models")
        assert await answered_by(client, "local/base:clerk") == (200, "local clerk")


async def test_the_list_says_what_is_known_of_a_model(tmp_path):
    async with asking(tmp_path) as client:
        deep = (await client.get("/v1/models/deep")).json()["hyperbridge"]
        gemma = (await client.get("/v1/models/nebius/google/gemma-3-27b-it")).json()["hyperbridge"]

    assert deep == {
        "upstream": "nebius",
        "model": "deepseek-ai/DeepSeek-V3",
        "available": True,
        "upstreams": [{"upstream": "nebius", "model": "deepseek-ai/DeepSeek-V3", "health": "healthy"}],
        "health": "healthy",
        "names": [],
        "context_tokens": 131_072,
        "strengths": deep["strengths"],
        "speed": 1,
        "quality": 5,
        "modalities": ["text"],
        "tools": True,
        "thinking": "never",
        "retired": False,
        "successor": None,
        "price": {"input": 0.2, "output": 0.6, "cached": 0.2},
    }
    assert deep["strengths"]["analysis"] == 5
    assert gemma["names"] == ["google/gemma-3-27b-it"]
    assert gemma["modalities"] == ["text", "image"]
    assert gemma["context_tokens"] == 131_072, "as the upstream says, not the catalogue"


async def test_an_adapter_has_its_base_as_parent_and_what_is_known_of_it(tmp_path):
    async with asking(tmp_path) as client:
        adapter = (await client.get("/v1/models/local/base:poet")).json()
        house = (await client.get("/v1/models/house")).json()["hyperbridge"]

    assert (adapter["id"], adapter["parent"]) == ("local/poet", "local/base")
    assert adapter["hyperbridge"]["names"] == ["local/base:poet", "poet", "base:poet"]
    assert adapter["hyperbridge"]["context_tokens"] == house["context_tokens"] == 32_768
    assert [each["upstream"] for each in house["upstreams"]] == ["local", "nebius"]


async def test_every_name_that_the_list_tells_is_answered(tmp_path):
    async with asking(tmp_path) as client:
        listed = (await client.get("/v1/models")).json()["data"]
        names = [name for each in listed for name in (each["id"], *each["hyperbridge"]["names"])]
        answers = {name: (await answered_by(client, name))[0] for name in names}

    assert len(names) == len(set(names))
    assert set(answers.values()) == {200}


async def test_a_name_that_is_not_listed_is_told_with_the_nearest(tmp_path):
    async with asking(tmp_path) as client:
        answer = await client.get("/v1/models/hous")

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "The model 'hous' does not exist. Did you mean 'house'?"


async def test_a_key_sees_and_uses_what_it_names_by_every_name_of_it(tmp_path):
    keys = KEYS.replace("house, google/gemma-3-27b-it", "house, nebius/google/gemma-3-27b-it")
    async with asking(tmp_path, f"router: {{catalogue_seconds: 300}}\n{keys}") as client:
        narrow, poet = ({"authorization": f"Bearer {key}"} for key in (NARROW, POET))

        async def seen(headers: dict[str, str]) -> list[str]:
            listed = await client.get("/v1/models", headers=headers)
            return [each["id"] for each in listed.json()["data"]]

        assert await seen(narrow) == ["house", "nebius/google/gemma-3-27b-it", "auto"]
        assert await seen(poet) == ["local/poet"]
        assert (await answered_by(client, "google/gemma-3-27b-it", **narrow))[0] == 200
        assert (await answered_by(client, "local/poet", **poet))[0] == 200
        assert (await answered_by(client, "poet", **narrow))[0] == 403
        assert (await client.get("/v1/models/local/base", headers=poet)).status_code == 404


async def test_a_model_that_nebius_took_away_is_told_in_list_health_and_metrics(tmp_path):
    async with (
        twin_of(Nebius(("deepseek-ai/DeepSeek-V4-Pro",))) as (_, nebius),
        twin_of(Vllm(("base",))) as (_, local),
        gateway_of(configuration(nebius, local, "router: {catalogue_seconds: 300}"), tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
    ):
        deep = (await client.get("/v1/models/deep")).json()["hyperbridge"]
        health = (await client.get("/healthz")).json()
        metrics = (await client.get("/metrics")).text
        chosen = (await client.post("/v1/route", json={"model": "auto", "messages": []})).json()

    assert (deep["retired"], deep["successor"]) == (True, "deepseek-ai/DeepSeek-V4-Pro")
    assert health["status"] == "degraded"
    (check,) = [each for each in health["checks"] if each["name"] == "models"]
    assert check["detail"] == "models.deep: nebius does not list deepseek-ai/DeepSeek-V3"
    assert check["recommendation"] == "models.deep: nebius has deepseek-ai/DeepSeek-V4-Pro in its place."
    assert 'hyperbridge_model_missing{model="deep"} 1.0' in metrics
    assert 'hyperbridge_model_missing{model="house"} 0.0' in metrics
    assert {each["name"]: each["against"] for each in chosen["candidates"]} == {
        "house": [],
        "deep": ["its upstream does not list it"],
    }


async def test_an_upstream_that_is_down_is_told_and_nothing_is_called_missing(tmp_path):
    async with twin_of(Vllm(("base",))) as (_, local):
        down = "http://127.0.0.1:9/v1"
        async with (
            gateway_of(configuration(down, local, "router: {catalogue_seconds: 300}"), tmp_path) as gateway,
            httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
        ):
            deep = (await client.get("/v1/models/deep")).json()["hyperbridge"]
            health = (await client.get("/healthz")).json()
            chosen = (await client.post("/v1/route", json={"model": "auto", "messages": []})).json()

    assert {each["name"]: each["against"] for each in chosen["candidates"]} == {"house": [], "deep": []}
    assert (deep["available"], deep["health"], deep["retired"]) == (False, "unhealthy", False)
    assert next(each for each in health["checks"] if each["name"] == "models")["state"] == "healthy"
