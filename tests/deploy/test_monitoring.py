"""The alerts and the dashboard, against a real gateway and a real Prometheus."""

import contextlib
import json
import subprocess
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chaos.redis_server import redis_server
from sim.server import Twin
from sim.vllm import Vllm
from tests.deploy.files import ROOT, RULES, dashboard, read_yaml, rules, tool
from tests.deploy.kinds import outcomes
from tests.deploy.monitoring import Monitoring, awaited, monitoring
from tests.deploy.promql import compared, reads
from tests.routing.vectored import UNKNOWN, head_file
from tests.support.adapters import make
from tests.support.gateway import Served, gateway_of, twin_configuration

CHAT = "/v1/chat/completions"

VLLM = {
    "vllm:generation_tokens_total",
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:kv_cache_usage_perc",
    "vllm:num_preemptions_total",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:num_requests_waiting_by_reason",
    "vllm:prefix_cache_hits_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prompt_tokens_total",
    "vllm:request_queue_time_seconds_bucket",
    "vllm:time_to_first_token_seconds_bucket",
}
"""What vLLM 0.33 exposes of what is read here."""


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels that show something, rows left out."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard with its panel's title, variables filled in as for all of everything."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], filled_in(target["expr"])


def filled_in(query: str) -> str:
    for name, value in {
        "$__rate_interval": "10s",
        "$__range": "1m",
        "$model": ".*",
        "$upstream": ".*",
    }.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def everything_read() -> Iterator[str]:
    for rule in rules():
        yield rule["expr"]
    for _, query in queries():
        yield query


async def ask(client: httpx.AsyncClient) -> None:
    """Requests of every kind that the metrics tell apart."""
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    await client.post(CHAT, json=body | {"model": "calm/x?cut=4&gap=0.02", "stream": True})
    with contextlib.suppress(httpx.ReadTimeout):
        await client.post(CHAT, json=body | {"model": "calm/x?head=30"}, timeout=0.1)
    for model in ("words", "scarce", "shared", "nobody", "twin/x?status=503", "twin/x?usage=never&chunks=12"):
        for stream in (False, True):
            await client.post(CHAT, json=body | {"model": model, "stream": stream})
    await client.post(CHAT, json=body | {"model": "twin/x?chunks=4&gap=0.02", "stream": True})
    await client.post(CHAT, json={"model": "auto", "messages": [{"role": "user", "content": UNKNOWN}]})
    table = {
        "role": "tool",
        "tool_call_id": "c",
        "content": json.dumps([{"id": n, "name": "x"} for n in range(99)]),
    }
    for more in ({}, {"logprobs": True}):
        shorter = {"model": "words", "messages": [table], "hyperbridge": {"scenes": "codebook"}, **more}
        await client.post(CHAT, json=shorter)
    await client.post(CHAT, json=body | {"model": "fleet/risk"})
    wishes = {"recall": ["memory"], "remember": "here"}
    await client.post(CHAT, json=body | {"model": "words", "hyperbridge": wishes})


@pytest.fixture
async def held() -> AsyncGenerator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as stack:
        yield stack


@contextlib.asynccontextmanager
async def _vllm() -> AsyncGenerator[str]:
    """A fake vLLM's base URL."""
    twin = Twin(house=Vllm(("base",)))
    try:
        yield f"http://127.0.0.1:{await twin.start()}/v1"
    finally:
        await twin.stop()


@pytest.fixture
async def gateway(
    upstream: tuple[Twin, str], held: contextlib.AsyncExitStack, tmp_path: Path
) -> AsyncGenerator[Served]:
    """A gateway with a second upstream, whose circuit is not opened by the failures at the first, and which is paced."""
    pacing = "pacing: {requests_per_minute: 100000, per_model: false}"
    calm = f'  calm: {{kind: openai, url: "{upstream[1]}", breaker: null, {pacing}}}\n'
    vllm = await held.enter_async_context(_vllm())
    make(tmp_path / "loras", "risk", 1)
    fleet = f'  fleet: {{kind: vllm, replicas: ["{vllm}"], loras: {{folder: loras, look_seconds: 0.2}}}}\n'
    shared = "  shared: {upstream: calm, model: x, canary: {to: calm/y, share: 1}, shadow: {to: calm/z, share: 1}}\n"
    limits = "  scarce: twin/twin\nlimits: {rules: [{per: everyone, models: [scarce], requests: 1/hour}]}\n"
    head_file(tmp_path, "v", dimensions=2)
    router = "router: {catalogue_seconds: 300, encoder: {model: calm/v, file: encoder.npz}}\n"
    with redis_server(tmp_path) as redis:
        store = 'store: {url: "sqlite:///memory.db"}\n'
        more = f'{shared}{limits}redis: {{url: "{redis.url}"}}\n{store}{router}'
        yaml = twin_configuration(upstream[1], more).replace("models:", f"{calm}{fleet}models:", 1)
        async with gateway_of(yaml, tmp_path) as running:
            yield running


@pytest.fixture
async def watched(
    client: httpx.AsyncClient, gateway: Served, tmp_path
) -> AsyncGenerator[tuple[httpx.AsyncClient, Monitoring]]:
    async with monitoring(tmp_path, gateway.url) as prometheus:
        yield client, prometheus


def test_prometheus_accepts_the_configuration_and_the_rules():
    checks = [("config", ROOT / "deploy/prometheus/prometheus.yml"), ("rules", RULES)]
    for kind, path in checks:
        done = subprocess.run(
            [tool("promtool"), "check", kind, path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_none_while_all_is_well():
    done = subprocess.run(
        [tool("promtool"), "test", "rules", ROOT / "tests/deploy/alerts.test.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_and_says_how_bad_it_is():
    alerts = [rule for rule in rules() if "alert" in rule]
    fired = {
        test["alertname"]
        for group in read_yaml("tests/deploy/alerts.test.yml")["tests"]
        for test in group.get("alert_rule_test", [])
        if test["exp_alerts"]
    }

    assert {alert["alert"] for alert in alerts} == fired
    for alert in alerts:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"]["summary"].endswith(".")


def test_outcomes_that_queries_name_exist():
    for query in everything_read():
        named = {outcome for outcome in compared(query) if not outcome.endswith(".*")}
        assert named <= outcomes().keys(), query


async def test_every_metric_that_is_read_exists_with_its_labels(client):
    await ask(client)

    async def measured() -> bool:
        told = (await client.get("/metrics")).text
        late = ("upstream_connections", "adapter_replicas", "remembered_total")
        return all(f"hyperbridge_{name}{{" in told for name in late)

    await awaited(measured, "the gateway measures itself, and remembers")
    exposed = await exposition(client)
    for query in everything_read():
        for metric, labels in reads(query).items():
            if metric.startswith("vllm:"):
                assert metric in VLLM
                continue
            assert metric in exposed, metric
            assert labels - {"instance", "job"} <= exposed[metric], query


async def exposition(client: httpx.AsyncClient) -> Mapping[str, set[str]]:
    """The samples that the gateway exposes, with their labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families((await client.get("/metrics")).text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_every_panel_of_the_gateway_shows_numbers(watched):
    client, prometheus = watched
    waiting = {query: title for title, query in queries() if "vllm" not in query}

    async def all_shown() -> bool:
        await ask(client)
        for query in list(waiting):
            if await prometheus.numbers(query):
                del waiting[query]
        return not waiting

    await awaited(all_shown, waiting)


async def test_prometheus_understands_the_panels_of_vllm_and_evaluates_every_rule(watched):
    _, prometheus = watched
    for _, query in queries():
        await prometheus.numbers(query)

    async def evaluated() -> bool:
        groups = (await prometheus.get("rules"))["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        assert {rule["health"] for rule in found} <= {"ok", "unknown"}
        return bool(found) and all(rule["health"] == "ok" for rule in found)

    await awaited(evaluated, "every rule is evaluated")


async def test_the_variables_offer_the_names_that_were_asked_for(watched):
    client, prometheus = watched
    await ask(client)

    async def offered() -> bool:
        models = await prometheus.get("label/model/values")
        upstreams = await prometheus.get("label/upstream/values")
        return {"words", "twin/*", "unknown"} <= set(models) and "twin" in upstreams

    await awaited(offered, "models and upstreams become values of the variables")
