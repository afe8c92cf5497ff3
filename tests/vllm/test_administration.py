"""What vLLM offers its operator is out of a client's reach, although this server runs with all of it on."""

import httpx
import pytest

from app.operations import OPERATIONS
from tests.vllm.asking import asked, chat

OWN = {*OPERATIONS, "/v1/models", "/metrics"}
"""Paths that both servers have: what answers there is the gateway."""

AROUND = [
    "//v1/load_lora_adapter",
    "/v1/load_lora_adapter/",
    "/v1/chat/completions/../../load_lora_adapter",
    "/v1/chat/completions/%2e%2e/load_lora_adapter",
    "/V1/load_lora_adapter",
    "/local/v1/load_lora_adapter",
]


@pytest.fixture
async def routes(vllm) -> list[tuple[str, str]]:
    """Every method and path that this vLLM serves, as it says itself."""
    async with httpx.AsyncClient(base_url=vllm.url) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


async def test_no_route_of_vllm_but_the_operations_answers(client, routes):
    hidden = [(method, path) for method, path in routes if path not in OWN]
    answers = {
        (method, path): (await client.request(method, path, json={"model": "local/base"})).status_code
        for method, path in hidden
    }

    assert {"/v1/load_lora_adapter", "/sleep", "/reset_prefix_cache", "/invocations"} <= {
        path for _, path in hidden
    }
    assert set(answers.values()) <= {404, 405}, answers


@pytest.mark.parametrize("path", AROUND)
async def test_no_spelling_of_a_path_leads_to_it(client, path):
    body = {"lora_name": "intruder", "lora_path": "/"}

    assert (await client.post(path, json=body)).status_code in {404, 405}


async def test_the_metrics_are_the_gateways_own(client):
    await asked(client, chat())

    assert "vllm:" not in (await client.get("/metrics")).text


async def test_a_header_with_a_wish_to_vllm_does_not_reach_it(client, vllm):
    wish = {"endpoint-load-metrics-format": "JSON"}
    async with httpx.AsyncClient(base_url=vllm.url) as direct:
        its = await direct.post("/v1/chat/completions", json=chat("base"), headers=wish)
    ours = await client.post("/v1/chat/completions", json=chat(), headers=wish)

    assert "endpoint-load-metrics" in its.headers
    assert "endpoint-load-metrics" not in ours.headers
