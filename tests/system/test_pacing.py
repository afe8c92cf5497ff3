"""Calls that wait for an upstream's budget, as clients and operators see it."""

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.monitoring import awaited
from tests.support.gateway import gateway_of

CHAT = "/v1/chat/completions"


def configuration(url: str) -> str:
    pacing = "pacing: {requests_per_minute: 3, queue: 5}"
    return f"""
upstreams:
  slow: {{kind: vllm, replicas: ["{url}"], {pacing}, timeouts: {{connect: 1, first_content: 20, gap: 5, total: 30}}}}
  free: {{kind: openai, url: "{url}"}}
  nebius: {{kind: nebius, url: "{url}", api_key: nebius-secret, pacing: {{queue: 7}}}}
models:
  alone: {{upstream: slow, model: twin, timeout_seconds: 8}}
  backed: {{upstream: slow, model: twin, fallbacks: [free/other], timeout_seconds: 8}}
  patient: {{upstream: slow, model: twin, timeout_seconds: 30}}
  batch: {{upstream: nebius, model: twin}}
"""


@pytest.fixture
async def gateway(upstream, tmp_path: Path):
    async with gateway_of(configuration(upstream[1]), tmp_path) as running:
        yield running


async def ask(client: httpx.AsyncClient, model: str, **headers: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return await client.post(CHAT, json=body, headers=headers)


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, str, str], float]:
    """What is measured of queues and limits: by name, upstream, and what else it is of."""
    text = (await client.get("/metrics")).text
    return {
        (
            sample.name.removeprefix("hyperbridge_upstream_"),
            sample.labels["upstream"],
            *others(sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(("hyperbridge_upstream_queue", "hyperbridge_upstream_limit"))
        and "le" not in sample.labels
    }


def others(labels: dict[str, str]) -> tuple[str]:
    [other] = [value for name, value in labels.items() if name != "upstream"]
    return (other,)


async def spend(client: httpx.AsyncClient) -> None:
    assert [(await ask(client, "alone")).status_code for _ in range(3)] == [200] * 3


async def test_who_cannot_wait_long_enough_is_told_so_with_the_time_that_it_would_take(client):
    await spend(client)

    refused = await ask(client, "alone")

    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "upstream_rate_limited"
    assert refused.json()["error"]["message"].startswith(
        "The upstream's rate limit is used up: this call would wait"
    )
    assert 15 <= int(refused.headers["retry-after"]) <= 20


async def test_where_there_is_another_route_it_is_taken_at_once(client, upstream):
    await spend(client)
    loop = asyncio.get_running_loop()
    began = loop.time()

    answer = await ask(client, "backed")

    assert answer.status_code == 200
    assert loop.time() - began < 2
    assert upstream[0].seen[-1].model == "other"


async def test_who_waits_gets_its_answer(client):
    await spend(client)

    assert (await client.post(CHAT, json={"model": "patient", "messages": []}, timeout=40)).status_code == 200


async def test_operators_see_the_queue_its_waits_and_its_drops(client: httpx.AsyncClient):
    await spend(client)
    await ask(client, "alone")
    waiting = asyncio.ensure_future(ask(client, "patient"))

    async def shown() -> bool:
        return (await samples(client)).get(("queue_length", "slow", "normal")) == 1

    await awaited(shown, "one call waits")
    found = await samples(client)
    waiting.cancel()

    assert not any(upstream == "free" for _, upstream, _ in found)  # without a limit there is no queue
    assert found["queue_dropped_total", "slow", "late"] >= 1
    assert found["queue_seconds_count", "slow", "normal"] == 3
    assert found["limit", "nebius", "requests"] == 60  # what Nebius allows a new account


async def test_batch_calls_go_to_nebius_as_flex_and_take_nothing_of_its_limit(client, upstream):
    await ask(client, "batch", **{"x-hyperbridge-priority": "batch"})

    assert upstream[0].seen[-1].json().get("service_tier") == "flex"
