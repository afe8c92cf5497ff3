"""The fake vLLM: models and adapters, administration, errors with numbers, metrics."""

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sim.server import Twin
from sim.vllm import Vllm
from tests.sim.asking import CHAT, body
from tests.support.waiting import eventually


@pytest.fixture
async def twin() -> AsyncGenerator[Twin]:
    running = Twin(house=Vllm(("base",), ("poet",), "right"))
    yield running
    await running.stop()


@pytest.fixture
async def http(twin) -> AsyncGenerator[httpx.AsyncClient]:
    port = await twin.start()
    headers = {"authorization": "Bearer right"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as client:
        yield client


async def metrics(http) -> dict[str, float]:
    text = (await http.get("/metrics")).text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_adapters_are_listed_with_their_base(http):
    cards = (await http.get("/v1/models")).json()["data"]

    assert [(card["id"], card["parent"]) for card in cards] == [("base", None), ("poet", "base")]


async def test_its_key_guards_what_is_below_v1_alone(http):
    stranger = {"authorization": "Bearer wrong"}
    refused = await http.get("/v1/models", headers=stranger)

    assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"})
    for page in ("/health", "/version", "/metrics"):
        assert (await http.get(page, headers=stranger)).status_code == 200


async def test_a_model_that_is_not_there_is_an_error_with_a_number(http):
    answer = await http.post("/v1" + CHAT, json=body("nobody?chunks=3"))

    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": "The model `nobody` does not exist.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }


async def test_an_adapter_answers_from_its_loading_to_its_unloading(http):
    async def answers() -> int:
        return (await http.post("/v1" + CHAT, json=body("risk?chunks=2"))).status_code

    load = {"lora_name": "risk", "lora_path": "/loras/risk"}
    assert await answers() == 404
    loaded = await http.post("/v1/load_lora_adapter", json=load)
    assert loaded.text == "Success: LoRA adapter 'risk' added successfully."
    assert await answers() == 200
    assert (await http.post("/v1/unload_lora_adapter", json={"lora_name": "risk"})).status_code == 200
    assert await answers() == 404


@pytest.mark.parametrize(
    ("page", "sent", "status"),
    [
        ("load", {"lora_name": "risk"}, 400),
        ("load", {"lora_name": "poet", "lora_path": "/loras/other"}, 400),
        ("load", {"lora_name": "poet", "lora_path": "/loras/other", "load_inplace": True}, 200),
        ("unload", {}, 400),
        ("unload", {"lora_name": "nobody"}, 404),
    ],
)
async def test_what_cannot_be_loaded_or_unloaded_is_refused(http, page, sent, status):
    assert (await http.post(f"/v1/{page}_lora_adapter", json=sent)).status_code == status


async def test_words_are_counted_as_tokens(http):
    prompt = await http.post("/tokenize", json={"model": "poet", "prompt": "one two three"})
    chat = await http.post("/tokenize", json=body("base"))

    assert (prompt.json()["count"], chat.json()["count"]) == (3, 3)
    assert (await http.post("/tokenize", json=body("nobody"))).status_code == 404


async def test_the_metrics_tell_what_is_running_and_return_to_nothing(twin, http):
    async with http.stream("POST", "/v1" + CHAT, json=body("poet?stall=2", stream=True)):
        asking = asyncio.ensure_future(http.post("/v1" + CHAT, json=body("base?head=60")))
        await eventually(lambda: len(twin.seen) == 2)
        busy = await metrics(http)
        info = [
            line for line in (await http.get("/metrics")).text.splitlines() if "lora_requests_info{" in line
        ]
        asking.cancel()

    await eventually(lambda: twin.open_connections <= 1)
    idle = await metrics(http)
    assert (busy["vllm:num_requests_running"], busy["vllm:num_requests_waiting"]) == (1, 1)
    assert 'running_lora_adapters="poet"' in info[0]
    assert (idle["vllm:num_requests_running"], idle["vllm:num_requests_waiting"]) == (0, 0)
    assert idle["vllm:generation_tokens_total"] == 2
