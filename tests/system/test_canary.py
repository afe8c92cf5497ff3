"""A model on trial, behind a name that clients go on asking for."""

from collections import Counter

import httpx
import pytest

from tests.support.gateway import Served, gateway_of
from tests.support.waiting import answered

CHAT = "/v1/chat/completions"
SECONDS = 10


def configuration(url: str, canary: str, more: str = "") -> str:
    """The trial has an upstream of its own: what fails there opens no circuit of the name's own model."""
    return f"""
upstreams:
  twin: {{kind: openai, url: "{url}"}}
  trial: {{kind: openai, url: "{url}"}}
models:
  main: {{upstream: twin, model: steady, canary: {{{canary}}}}}
{more}
"""


def body(number: int, *, stream: bool = False) -> dict[str, object]:
    return {"model": "main", "stream": stream, "messages": [{"role": "user", "content": f"hi {number}"}]}


def client_of(gateway: Served) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, timeout=20)


async def models(client: httpx.AsyncClient, numbers: range, *, stream: bool = False) -> Counter[str]:
    """Who has answered how often. No call may fail."""
    found: Counter[str] = Counter()
    for number in numbers:
        answer = await client.post(CHAT, json=body(number, stream=stream))
        assert answer.status_code == 200, answer.text
        found[answer.headers["x-hyperbridge-model"]] += 1
    return found


async def check(client: httpx.AsyncClient) -> dict[str, str]:
    checks = (await client.get("/healthz")).json()["checks"]
    return next(each for each in checks if each["name"] == "canary:main")


async def metric(client: httpx.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


async def test_a_canary_is_judged_by_what_auto_sends_to_it_too(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: 'trial/new?status=500', share: 1, least_calls: 10")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        for number in range(10):
            answer = await client.post(CHAT, json=body(number) | {"model": "auto"})
            assert (answer.status_code, answer.headers["x-hyperbridge-model"]) == (200, "steady")
        told = await check(client)
        counted = await metric(client, 'hyperbridge_split_total{model="main"')

    assert told["state"] == "degraded"
    assert 0 < counted < 10


async def test_a_canary_that_fails_every_call_is_rolled_back_and_no_client_sees_it(
    upstream, tmp_path, caplog
):
    twin, url = upstream
    yaml = configuration(url, "to: 'trial/new?status=500', share: 0.5, least_calls: 10")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        assert (await check(client))["state"] == "healthy"

        assert (await models(client, range(60))).keys() == {"steady"}

        found = await check(client)
        assert found["state"] == "degraded"
        assert "10 of 10 attempts failed" in found["detail"]
        assert "models.main.canary" in found["recommendation"]
        asked = len(twin.seen)
        assert (await models(client, range(60, 90))) == {"steady": 30}
        assert len(twin.seen) == asked + 30
        name = 'hyperbridge_canary_rolled_back{model="main"}'
        await answered(lambda: _is(client, name, 1.0), SECONDS)
        assert await metric(client, "hyperbridge_split_total{") > 0
    assert caplog.text.count("is rolled back") == 1


async def _is(client: httpx.AsyncClient, name: str, wanted: float) -> bool:
    return await metric(client, name) == wanted


async def test_a_canary_that_is_slow_to_begin_is_rolled_back(upstream, tmp_path):
    canary = "to: 'trial/new?first=0.4', share: 1, least_calls: 3, first_content_seconds: 0.3"
    async with (
        gateway_of(configuration(upstream[1], canary), tmp_path) as gateway,
        client_of(gateway) as client,
    ):
        assert await models(client, range(3), stream=True) == {"new?first=0.4": 3}
        assert await models(client, range(3), stream=True) == {"steady": 3}
        assert "3 of 3 streams took more than 0.3 s" in (await check(client))["detail"]


async def test_a_canary_that_does_well_keeps_its_share_and_is_told(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: trial/new, share: 0.3, least_calls: 5")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        found = await models(client, range(100))
        assert 10 < found["new"] < 55
        assert found["steady"] == 100 - found["new"]
        assert (
            await metric(client, 'hyperbridge_split_total{model="main",target="trial/new"}') == found["new"]
        )
        told = {
            (answer.headers["x-hyperbridge-model"], answer.headers.get("x-hyperbridge-reason"))
            for answer in [await client.post(CHAT, json=body(number)) for number in range(20)]
        }
        assert told == {("new", "v1; by=canary"), ("steady", None)}
        assert (await check(client))["state"] == "healthy"


@pytest.mark.parametrize(("share", "state"), [("0.9", "degraded"), ("0.8", "healthy")])
async def test_a_reload_begins_a_new_trial_where_the_canary_is_another(upstream, tmp_path, share, state):
    fast = "server: {watch_seconds: 0.1}\n"
    canary = "to: 'trial/new?status=500', share: 0.9, least_calls: 5"
    yaml = fast + configuration(upstream[1], canary)
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        await models(client, range(10))
        assert (await check(client))["state"] == "degraded"

        changed = configuration(upstream[1], canary.replace("0.9", share), "  added: twin/added\n")
        (tmp_path / "hyperbridge.yaml").write_text(fast + changed)

        async def is_known() -> bool:
            return "added" in (await client.get("/v1/models")).text

        await answered(is_known, SECONDS)
        assert (await check(client))["state"] == state
