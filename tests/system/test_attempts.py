"""Retries, fallbacks, hedges and the one deadline, through the whole gateway."""

import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from sim.server import Twin
from tests.support.gateway import Served, gateway_of, twin_configuration
from tests.support.waiting import eventually

MODELS = """
  down: {upstream: twin, model: "twin?status=503", fallbacks: ["twin/twin?chunks=3"]}
  gone: {upstream: twin, model: "twin?status=503"}
  once: {upstream: twin, model: "twin?status=500", retries: 0}
  many: {upstream: twin, model: "twin?status=500", retries: 10, attempts: 3}
  limited: {upstream: twin, model: "twin?status=429&retry_after=1", retries: 1}
  patient: {upstream: twin, model: "twin?status=429&retry_after=60", fallbacks: ["twin/twin"]}
  silent: {upstream: twin, model: "twin?head=30", fallbacks: ["twin/twin"], timeout_seconds: 2}
  mute: {upstream: twin, model: "twin?head=30", timeout_seconds: 1}
  refused: {upstream: twin, model: "twin?status=400", fallbacks: ["twin/twin"]}
  dead: {upstream: twin, model: "twin?status=401", fallbacks: ["twin/twin"]}
  missing: {upstream: twin, model: "twin?status=404", fallbacks: ["twin/twin"]}
  choosy: {upstream: twin, model: "twin?status=503", retries: 0, fallbacks: [{to: "twin/twin?chunks=1", when: [rate_limit]}, "twin/twin?chunks=2"]}
  slow: {upstream: twin, model: "twin?first=20", fallbacks: ["twin/twin?chunks=4"], hedge: {share: 1, after_seconds: 0.05}}
  quick: {upstream: twin, model: twin, hedge: {share: 1, after_seconds: 10}}
"""


@pytest.fixture
async def gateway(upstream: tuple[Twin, str], tmp_path: Path) -> AsyncGenerator[Served]:
    async with gateway_of(twin_configuration(upstream[1], MODELS), tmp_path) as running:
        yield running


async def ask(
    client: httpx.AsyncClient, model: str, *, stream: bool = False, **headers: str
) -> httpx.Response:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/v1/chat/completions", json=body, headers=named)


async def tries(gateway: Served) -> list[tuple[str, str]]:
    await eventually(lambda: '"exchange"' in gateway.log_text())
    line = json.loads(gateway.log_text().splitlines()[-1])
    return [(each["kind"], each["outcome"]) for each in line.get("tries", [])]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_route_that_fails_is_retried_and_then_the_next_is_taken(client, gateway, stream):
    answer = await ask(client, "down", stream=stream)

    assert answer.status_code == 200
    assert answer.headers["x-hyperbridge-attempts"] == "4"
    assert answer.headers["x-hyperbridge-model"] == "twin?chunks=3"
    failed = "upstream_unavailable"
    assert await tries(gateway) == [
        ("first", failed),
        ("retry", failed),
        ("retry", failed),
        ("fallback", "ok"),
    ]


async def test_the_last_failure_is_told_with_the_number_of_attempts(client, upstream):
    answer = await ask(client, "gone")

    assert answer.status_code == 503
    assert answer.headers["x-hyperbridge-attempts"] == "3"
    assert len(upstream[0].seen) == 3


@pytest.mark.parametrize(("model", "attempts"), [("once", 1), ("many", 3)])
async def test_retries_and_attempts_are_bounded_as_configured(client, upstream, model, attempts):
    assert (await ask(client, model)).status_code == 502
    assert len(upstream[0].seen) == attempts


async def test_retry_after_is_honoured(client, upstream):
    start = time.perf_counter()
    answer = await ask(client, "limited")

    assert answer.status_code == 429
    assert len(upstream[0].seen) == 2
    assert time.perf_counter() - start >= 1


async def test_a_long_retry_after_is_not_waited_for_where_another_route_stands_by(client, upstream):
    answer = await ask(client, "patient")

    assert answer.status_code == 200
    assert len(upstream[0].seen) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_silent_route_gets_half_of_the_time_and_is_not_asked_again(client, gateway, stream):
    answer = await ask(client, "silent", stream=stream)

    assert answer.status_code == 200
    assert await tries(gateway) == [("first", "upstream_timeout"), ("fallback", "ok")]


@pytest.mark.parametrize("stream", [False, True])
async def test_one_deadline_bounds_everything(client, upstream, stream):
    start = time.perf_counter()
    answer = await ask(client, "mute", stream=stream)

    assert answer.status_code == 504
    assert 0.9 < time.perf_counter() - start < 1.6
    assert len(upstream[0].seen) == 1


async def test_a_client_may_ask_for_less_time(client):
    start = time.perf_counter()
    answer = await ask(client, "gone", x_hyperbridge_timeout="0.3")
    assert answer.status_code == 503
    assert time.perf_counter() - start < 0.6

    assert (await ask(client, "words", x_hyperbridge_timeout="20")).status_code == 200


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf", "86401", ""])
async def test_a_wrong_timeout_is_named(client, upstream, value):
    answer = await ask(client, "words", x_hyperbridge_timeout=value)

    assert answer.status_code == 400
    assert "x-hyperbridge-timeout must be seconds" in answer.json()["error"]["message"]
    assert not upstream[0].seen


async def test_a_clients_own_mistake_is_told_at_once_and_goes_nowhere_else(client, upstream):
    answer = await ask(client, "refused")

    assert answer.status_code == 400
    assert len(upstream[0].seen) == 1


@pytest.mark.parametrize("model", ["dead", "missing"])
async def test_what_is_not_the_clients_mistake_goes_to_the_next_route_at_once(client, upstream, model):
    answer = await ask(client, model)

    assert answer.status_code == 200
    assert len(upstream[0].seen) == 2


async def test_a_fallback_is_taken_for_its_classes_of_failure_alone(client, upstream):
    answer = await ask(client, "choosy")

    assert answer.headers["x-hyperbridge-model"] == "twin?chunks=2"
    assert [seen.json()["model"] for seen in upstream[0].seen] == ["twin?status=503", "twin?chunks=2"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_slow_attempt_is_hedged_and_the_loser_is_let_go(client, gateway, upstream, stream):
    answer = await ask(client, "slow", stream=stream)

    assert answer.status_code == 200
    assert answer.headers["x-hyperbridge-model"] == "twin?chunks=4"
    assert sorted(await tries(gateway)) == [("first", "cancelled"), ("hedge", "ok")]
    slow, fast = upstream[0].seen
    assert slow.left is not None
    assert fast.left is None


async def test_a_fast_attempt_is_not_hedged(client, upstream):
    assert (await ask(client, "quick")).status_code == 200
    assert len(upstream[0].seen) == 1
