"""docs/operations.md says what the code does: metrics, outcomes, alerts, checks, log fields, reloading."""

import asyncio
import json
import logging
import re
import signal
from time import perf_counter
from typing import get_args

import httpx
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from app.contracts import Route
from app.errors import BadRequest, UpstreamRefused
from app.health import State
from app.journal import Attempt, Record
from app.logs import JsonLines, described, tried
from app.metrics import Metrics
from app.operations import CHAT
from tests.deploy.files import ROOT, rules
from tests.deploy.kinds import outcomes
from tests.deploy.monitoring import awaited
from tests.support.gateway import gateway_of, twin_configuration
from tests.support.process import serving

PAGE = (ROOT / "docs/operations.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    below = PAGE[PAGE.index(f"\n{heading}\n") :]
    lines = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert lines is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_metrics_are_those_of_the_code():
    known = {
        name + ("_total" if isinstance(metric, Counter) else ""): (
            metric._type,
            ", ".join(metric._labelnames),
        )
        for metric, (name, *_) in Metrics().registry._collector_to_names.items()
        if isinstance(metric, MetricWrapperBase)
    }

    assert {names(metric)[0]: (kind, labels) for metric, kind, labels, _ in table("## Metrics")} == known


def test_the_outcomes_are_those_of_the_code():
    told = {names(name)[0]: status for name, status, _ in table("### Outcomes")}
    kinds: list[type[UpstreamRefused]] = [UpstreamRefused, *UpstreamRefused.__subclasses__()]
    refused = {kind.__new__(kind).kind: "4xx" for kind in kinds}
    known = {name: str(status) for name, status in outcomes().items()} | refused

    assert told == known


def test_the_alerts_are_those_of_the_rules():
    alerts = table("## Alerts")

    assert [names(row[0])[0] for row in alerts] == [rule["alert"] for rule in rules() if "alert" in rule]
    assert all(advice for _, _, advice in alerts)


def test_the_fields_are_those_of_an_exchange_line():
    record = Record("id", CHAT, perf_counter())
    record.failure = BadRequest("The body is not JSON.")
    record.attempts = [Attempt(Route("up", "m", "alias", "configured"), "first") for _ in range(2)]
    line = described(record)

    fields = table("## Logs")
    assert [name for row in fields for name in names(row[0])] == list(line)
    [tries] = [names(meaning) for row, meaning in fields if names(row) == ["tries"]]
    assert tries == list(tried(record.attempts[0], 0.0))


def test_other_lines_carry_what_is_said():
    record = logging.LogRecord("hyperbridge", logging.ERROR, "", 0, "text", None, (None, None, None))
    said = PAGE[PAGE.index("## Logs") :].partition("\n| Field")[0]

    assert {"`" + name + "`" for name in json.loads(JsonLines().format(record))} <= set(
        re.findall(r"`\w+`", said)
    )


async def test_the_health_checks_are_those_of_the_gateway(upstream, tmp_path):
    tried = "  tried: {upstream: twin, model: x, canary: {to: twin/y, share: 0.1}}"
    fleet = '  own: {kind: vllm, replicas: ["http://127.0.0.1:1/v1"], loras: {folder: .}}\nmodels:'
    yaml = twin_configuration(upstream[1], tried).replace("models:", fleet, 1)
    async with (
        gateway_of(yaml, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        answer = (await client.get("/healthz")).json()
        kinds = [
            re.sub(r"^(upstream|canary|fleet):.*", r"\1:NAME", check["name"]) for check in answer["checks"]
        ]
        checks = [*dict.fromkeys(kinds)]

        assert [names(row[0])[0] for row in table("### Checks")] == checks
        assert [names(row[0])[0] for row in table("### States")] == list(get_args(State))
        for row in table("## Health"):
            assert (await client.get(names(row[0])[0])).status_code == 200


async def test_a_hangup_gives_every_worker_the_new_configuration_if_it_is_right(tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams: {demo: {kind: demo}}\nmodels: {one: demo/demo}\n")

    with serving(tmp_path, "--config", str(path), "--workers", "2") as (process, url):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            await awaited(lambda: all_offer(client, "one"), "the gateway has started")

            path.write_text("upstreams: {demo: {kind: demo}}\nmodels: {two: demo/demo}\n")
            process.send_signal(signal.SIGHUP)
            await awaited(lambda: all_offer(client, "two"), "every worker has the new configuration")

            path.write_text("nonsense: true\n")
            process.send_signal(signal.SIGHUP)
            await awaited(
                lambda: asyncio.sleep(0, "the old ones stay" in (tmp_path / "stderr").read_text()),
                "a wrong configuration is told",
            )
            await awaited(lambda: all_offer(client, "two"), "the workers that were there still answer")


async def all_offer(client: httpx.AsyncClient, model: str) -> bool:
    """Whether ten connections in a row lead to workers that have this model."""
    return all([await offers(client, model) for _ in range(10)])


async def offers(client: httpx.AsyncClient, model: str) -> bool:
    try:
        answer = await client.get("/v1/models", headers={"connection": "close"})
    except httpx.TransportError:  # it came just when a worker stopped
        return False
    return model in {each["id"] for each in answer.json()["data"]}
