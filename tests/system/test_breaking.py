"""A server that keeps failing is left alone, tried with single calls, and used again when it is well."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sim.server import Twin
from tests.deploy.monitoring import awaited
from tests.support.gateway import Served, gateway_of, twin
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
NOWHERE = "http://127.0.0.1:1/v1"


def configuration(url: str, open_seconds: float) -> str:
    breaker = f"{{error_rate: 0.9, minimum: 4, open_seconds: {open_seconds}, window_seconds: 60}}"
    return f"""
upstreams:
  twin: {{kind: openai, url: "{url}", breaker: {breaker}, timeouts: {{connect: 1, first_content: 2, gap: 1, total: 6}}}}
  demo: {{kind: demo}}
models:
  good: {{upstream: twin, model: twin, retries: 0}}
  slow: {{upstream: twin, model: "twin?first=0.2", retries: 0}}
  bad: {{upstream: twin, model: "twin?status=503", retries: 0}}
  wrong: {{upstream: twin, model: "twin?status=422", retries: 0}}
  limited: {{upstream: twin, model: "twin?status=429", retries: 0}}
  cut: {{upstream: twin, model: "twin?chunks=12&cut=5", attempts: 2}}
  safe: {{upstream: twin, model: twin, fallbacks: [demo/demo]}}
"""


async def ask(
    client: httpx.AsyncClient, gateway: Served, model: str, *, stream: bool = False
) -> httpx.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    return await client.post(gateway.url + CHAT, json=body)


async def statuses(client: httpx.AsyncClient, gateway: Served, model: str, times: int) -> list[int]:
    return [(await ask(client, gateway, model)).status_code for _ in range(times)]


async def circuits(client: httpx.AsyncClient, gateway: Served, upstream: str) -> dict[str, dict[str, float]]:
    """Of each replica by its number: its state, and how often it opened."""
    text = (await client.get(gateway.url + "/metrics")).text
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("hyperbridge_circuit_") and sample.labels["upstream"] == upstream:
                found.setdefault(sample.labels["replica"], {})[sample.name] = sample.value
    return found


async def check(client: httpx.AsyncClient, gateway: Served, upstream: str) -> dict[str, Any]:
    health = (await client.get(gateway.url + "/healthz")).json()
    return next(each for each in health["checks"] if each["name"] == f"upstream:{upstream}")


async def until_metrics_say(
    client: httpx.AsyncClient, gateway: Served, state: int, upstream: str = "twin"
) -> None:
    """Until the first replica's circuit is shown in this state."""

    async def shown() -> bool:
        found = await circuits(client, gateway, upstream)
        return found.get("0", {}).get("hyperbridge_circuit_state") == state

    await awaited(shown, f"the circuit is in state {state}")


@pytest.fixture
async def client():
    async with httpx.AsyncClient(timeout=20) as http:
        yield http


async def test_a_server_that_fails_gets_few_requests_while_its_circuit_is_open(upstream, client, tmp_path):
    async with gateway_of(configuration(upstream[1], 60), tmp_path) as gateway:
        answers = [await ask(client, gateway, "bad") for _ in range(50)]
        told = answers[-1].json()["error"]
        found = await check(client, gateway, "twin")
        await until_metrics_say(client, gateway, 2)
        counted = await circuits(client, gateway, "twin")

    assert {answer.status_code for answer in answers} == {503}
    assert len([seen for seen in upstream[0].seen if seen.method == "POST"]) == 4
    assert (told["code"], told["message"]) == ("upstream_unavailable", "The upstream's circuit is open.")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert (found["state"], found["detail"]) == ("unhealthy", "1 of 1 circuits open, 0 half-open")
    assert "upstreams.twin" in found["recommendation"]
    assert counted == {"0": {"hyperbridge_circuit_state": 2, "hyperbridge_circuit_opened_total": 1}}


async def test_many_calls_at_once_make_one_probe_and_good_probes_close_the_circuit(
    upstream, client, tmp_path
):
    async with gateway_of(configuration(upstream[1], 0.5), tmp_path) as gateway:
        await statuses(client, gateway, "bad", 4)
        await until_metrics_say(client, gateway, 1)
        half_open = await check(client, gateway, "twin")
        answers = await asyncio.gather(*(ask(client, gateway, "slow") for _ in range(30)))
        assert sorted(answer.status_code for answer in answers) == [200] + [503] * 29

        assert await statuses(client, gateway, "good", 5) == [200] * 5
        await until_metrics_say(client, gateway, 0)
        closed = await check(client, gateway, "twin")

    assert len([seen for seen in upstream[0].seen if seen.method == "POST"]) == 4 + 1 + 5
    assert (half_open["state"], closed["state"]) == ("degraded", "healthy")


async def test_the_clients_mistakes_and_a_rate_limit_never_open_it(upstream, client, tmp_path):
    async with gateway_of(configuration(upstream[1], 60), tmp_path) as gateway:
        assert await statuses(client, gateway, "wrong", 20) == [422] * 20
        assert await statuses(client, gateway, "limited", 20) == [429] * 20

        assert (await ask(client, gateway, "good")).status_code == 200


async def test_a_client_in_a_hurry_opens_no_circuit_for_the_others(upstream, client, tmp_path):
    async with gateway_of(configuration(upstream[1], 60), tmp_path) as gateway:
        body = {"model": "slow", "messages": []}
        for _ in range(10):
            answer = await client.post(
                gateway.url + CHAT, json=body, headers={"x-hyperbridge-timeout": "0.05"}
            )
            assert answer.status_code == 504

        assert (await ask(client, gateway, "good")).status_code == 200


async def test_a_stream_that_broke_counts_although_it_is_gone_on_with(upstream, client, tmp_path):
    async with gateway_of(configuration(upstream[1], 60), tmp_path) as gateway:
        for _ in range(2):
            await ask(client, gateway, "cut", stream=True)

        assert (await ask(client, gateway, "good")).json()["error"][
            "message"
        ] == "The upstream's circuit is open."


async def test_with_an_open_circuit_the_next_route_is_taken(upstream, client, tmp_path):
    async with gateway_of(configuration(upstream[1], 60), tmp_path) as gateway:
        await statuses(client, gateway, "bad", 4)

        answer = await ask(client, gateway, "safe")

    assert (answer.status_code, answer.headers["x-hyperbridge-upstream"]) == (200, "demo")
    assert answer.headers["x-hyperbridge-attempts"] == "2"


async def test_a_replica_that_was_never_there_is_shown_and_not_asked(client, tmp_path: Path):
    async with twin() as (_, url):
        yaml = f"""
upstreams:
  fleet: {{kind: vllm, replicas: ["{NOWHERE}", "{url}"], health_check_seconds: 0.05}}
"""
        async with gateway_of(yaml, tmp_path) as gateway:
            await until_metrics_say(client, gateway, 2, "fleet")
            assert await statuses(client, gateway, "fleet/twin", 5) == [200] * 5
            found = await check(client, gateway, "fleet")
            counted = await circuits(client, gateway, "fleet")

    assert (found["state"], found["detail"]) == ("degraded", "1 of 2 circuits open, 0 half-open")
    assert "replica 0" in found["recommendation"]
    assert counted["1"]["hyperbridge_circuit_state"] == 0


async def test_health_checks_bring_a_replica_back_and_end_with_the_gateway(client, tmp_path: Path):
    gone = Twin()
    port = await gone.start()
    await gone.stop()
    async with twin() as (_, url):
        yaml = f"""
upstreams:
  fleet: {{kind: vllm, replicas: ["http://127.0.0.1:{port}/v1", "{url}"], health_check_seconds: 0.05}}
"""
        before = asyncio.all_tasks()
        async with gateway_of(yaml, tmp_path) as gateway:
            await until_metrics_say(client, gateway, 2, "fleet")
            revived = Twin()
            await revived.start(port=port)
            await until_metrics_say(client, gateway, 1, "fleet")
            assert await statuses(client, gateway, "fleet/twin", 8) == [200] * 8
            await until_metrics_say(client, gateway, 0, "fleet")
        await revived.stop()

        await eventually(lambda: asyncio.all_tasks() == before)


async def test_without_a_breaker_a_server_is_asked_each_time(upstream, client, tmp_path):
    yaml = f"""
upstreams:
  twin: {{kind: openai, url: "{upstream[1]}", breaker: null}}
models:
  bad: {{upstream: twin, model: "twin?status=503", retries: 0}}
"""
    async with gateway_of(yaml, tmp_path) as gateway:
        await statuses(client, gateway, "bad", 30)

    assert len([seen for seen in upstream[0].seen if seen.method == "POST"]) == 30
