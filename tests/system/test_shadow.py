"""A second model that answers beside: compared, paid for under its own name, and never seen by a client."""

import asyncio
import json
import signal
import sqlite3
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import Served, gateway_of
from tests.support.process import run, serving
from tests.support.waiting import answered, eventually

CHAT = "/v1/chat/completions"
SECONDS = 10
KEY = "hb-front-0001"


def configuration(url: str, shadow: str, more: str = "") -> str:
    return f"""
upstreams:
  twin: {{kind: openai, url: "{url}", timeouts: {{connect: 1, first_content: 20, gap: 20, total: 30}}, price: {{input: 1, output: 2}}}}
models:
  main: {{upstream: twin, model: own, shadow: {{share: 1, {shadow}}}}}
  alone: twin/own
store: {{url: "sqlite:///shadows.db", flush_seconds: 0.1}}
{more}
"""


def body(model: str = "main", **members: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **members}


def client_of(gateway: Served) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, timeout=30)


def rows(folder: Path) -> list[dict[str, Any]]:
    """The comparisons, the oldest first."""
    with sqlite3.connect(folder / "shadows.db") as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM shadows ORDER BY at")]


async def compared(folder: Path, count: int = 1) -> list[dict[str, Any]]:
    await eventually(lambda: len(rows(folder)) >= count, SECONDS)
    return rows(folder)


async def metric(client: httpx.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


@pytest.mark.parametrize("stream", [False, True])
async def test_both_answers_are_written_down_side_by_side(upstream, tmp_path, stream):
    yaml = configuration(upstream[1], "to: 'twin/other?chunks=4'")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        await client.post(CHAT, json=body(stream=stream))
        (row,) = await compared(tmp_path)

    assert (row["alias"], row["operation"]) == ("main", "chat")
    assert (row["own_model"], row["shadow_model"]) == ("own", "other?chunks=4")
    assert (row["own_outcome"], row["shadow_outcome"]) == ("ok", "ok")
    assert (row["own_output_tokens"], row["shadow_output_tokens"]) == (8, 4)
    assert (row["own_finish"], row["shadow_finish"]) == ("stop", "stop")
    assert row["shadow_nano_usd"] == row["shadow_input_tokens"] * 1000 + 4 * 2000
    assert row["similarity"] == pytest.approx(2 * 4 / 12)
    assert (row["same_json"], row["same_calls"]) == (None, None)
    assert row["own_characters"] > row["shadow_characters"] > 0
    assert (row["own_text"], row["shadow_text"]) == (None, None)
    assert (row["own_first_seconds"] is not None) is stream
    assert row["own_seconds"] > 0
    assert row["shadow_seconds"] > 0


async def test_what_auto_chooses_has_its_shadow_and_a_dry_run_names_it(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: twin/other")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        told = (await client.post("/v1/route", json=body("auto"))).json()
        answer = await client.post(CHAT, json=body("auto"))
        (row,) = await compared(tmp_path)

    assert told["shadow"]["model"] == "other"
    assert answer.headers["x-hyperbridge-route"] == row["alias"] == "main"
    assert (row["own_model"], row["shadow_model"]) == ("own", "other")


async def test_texts_are_kept_where_the_configuration_says_so(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: 'twin/other?chunks=2', keep_text: true")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        await client.post(CHAT, json=body())
        (row,) = await compared(tmp_path)
    assert row["own_text"].startswith("word0 word1 word2")
    assert row["shadow_text"] == "word0 word1 "


async def test_calls_of_tools_are_compared(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: 'twin/other?tool=1'").replace("model: own", 'model: "own?tool=1"')
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        for stream in (False, True):
            await client.post(CHAT, json=body(stream=stream, tools=[tool]))
        found = await compared(tmp_path, 2)
    assert [row["same_calls"] for row in found] == [1, 1]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_gets_the_same_bytes_with_and_without_a_shadow(upstream, tmp_path, stream):
    yaml = configuration(upstream[1], "to: 'twin/other?status=500'")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        mains = [await client.post(CHAT, json=body(stream=stream)) for _ in range(3)]
        alone = await client.post(CHAT, json=body("alone", stream=stream))
        await compared(tmp_path, 3)

    changing = {"date", "x-request-id"}
    for main in mains:
        assert _still(main.text) == _still(alone.text)
        assert main.headers.keys() - changing == alone.headers.keys() - changing


def _still(text: str) -> str:
    """Without the names that an upstream gives to each answer."""
    answers = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("data: {", "{"))]
    return json.dumps([{**json.loads(each), "id": "", "created": 0} for each in answers])


async def test_no_client_waits_for_a_shadow(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: 'twin/slow?first=15', concurrent: 8")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        began = time.monotonic()
        for stream in (True, False) * 3:
            assert (await client.post(CHAT, json=body(stream=stream))).status_code == 200
        assert time.monotonic() - began < 10
        await eventually(lambda: sum("slow" in (seen.model or "") for seen in upstream[0].seen) == 6, SECONDS)


async def test_those_above_the_bound_are_left_out_and_counted(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: 'twin/slow?first=15', concurrent: 2")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        await asyncio.gather(*(client.post(CHAT, json=body()) for _ in range(6)))
        assert await metric(client, 'hyperbridge_shadow_total{model="main",outcome="skipped"}') == 4
        assert sum("slow" in (seen.model or "") for seen in upstream[0].seen) <= 2


async def test_a_shadow_that_fails_is_asked_once_and_written_down(upstream, tmp_path):
    twin, url = upstream
    async with (
        gateway_of(configuration(url, "to: 'twin/other?status=500'"), tmp_path) as gateway,
        client_of(gateway) as client,
    ):
        assert (await client.post(CHAT, json=body())).status_code == 200
        (row,) = await compared(tmp_path)
        failed = 'hyperbridge_shadow_total{model="main",outcome="upstream_broken"}'
        assert await metric(client, failed) == 1
    assert (row["shadow_outcome"], row["similarity"], row["shadow_seconds"]) == (
        "upstream_broken",
        None,
        None,
    )
    assert sum("other" in (seen.model or "") for seen in twin.seen) == 1


async def test_a_name_whose_own_model_fails_is_compared_too(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: twin/other").replace(
        "model: own", 'retries: 0, model: "own?status=500"'
    )
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        assert (await client.post(CHAT, json=body())).status_code == 502
        (row,) = await compared(tmp_path)
    assert (row["own_outcome"], row["shadow_outcome"]) == ("upstream_broken", "ok")


async def test_what_a_shadow_uses_is_nobodys_but_its_own(upstream, tmp_path):
    digest = sha256(KEY.encode()).hexdigest()
    keys = f"keys:\n  - {{id: front, sha256: {digest}, models: ['*'], limits: {{requests: 3/day}}, admin: true}}\n"
    yaml = configuration(upstream[1], "to: 'twin/other?chunks=4'", keys)
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        client.headers["authorization"] = f"Bearer {KEY}"
        left = [
            (await client.post(CHAT, json=body())).headers["x-ratelimit-remaining-requests"] for _ in range(3)
        ]
        await compared(tmp_path, 3)

        async def is_written() -> bool:
            return len((await used()).keys()) == 2

        async def used() -> dict[tuple[str, str], dict[str, float]]:
            report = (await client.get("/v1/usage", params={"by": "key,model"})).json()["data"]
            return {(row["key"], row["model"]): row for row in report}

        await answered(is_written, SECONDS)
        found = await used()
        cost = await metric(client, 'hyperbridge_cost_usd_total{model="shadow:main",upstream="twin"}')
        requests = [
            line
            for line in (await client.get("/metrics")).text.splitlines()
            if "hyperbridge_requests" in line
        ]

    assert left == ["2", "1", "0"]
    assert found["front", "main"]["requests"] == found["shadow:main", "shadow:main"]["requests"] == 3
    assert found["shadow:main", "shadow:main"]["output_tokens"] == 12
    assert cost == pytest.approx(found["shadow:main", "shadow:main"]["cost_usd"])
    assert not any("shadow" in line for line in requests)
    lines = [json.loads(line) for line in gateway.log_text().splitlines()]
    ids = {
        event: sorted(line["id"] for line in lines if line["event"] == event)
        for event in ("exchange", "shadow")
    }
    assert ids["shadow"] == ids["exchange"]
    assert {line["model"] for line in lines if line["event"] == "shadow"} == {"shadow:main"}


async def test_a_client_that_leaves_has_no_shadow(upstream, tmp_path):
    twin, url = upstream
    yaml = configuration(url, "to: twin/other").replace("model: own", 'model: "own?first=15"')
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(CHAT, json=body(), timeout=0.5)
        await eventually(lambda: '"event":"exchange"' in gateway.log_text(), SECONDS)
    assert {seen.model for seen in twin.seen if seen.method == "POST"} == {"own?first=15"}


async def test_a_shadow_that_runs_outlives_its_upstream_in_the_configuration(upstream, tmp_path):
    twin, url = upstream
    before = configuration(url, "to: 'trial/slow?first=2'", "server: {watch_seconds: 0.1}").replace(
        "upstreams:", f'upstreams:\n  trial: {{kind: openai, url: "{url}"}}'
    )
    after = configuration(url, "to: twin/other", "server: {watch_seconds: 0.1}")
    async with gateway_of(before, tmp_path) as gateway, client_of(gateway) as client:
        await client.post(CHAT, json=body())
        await eventually(lambda: any("slow" in (seen.model or "") for seen in twin.seen), SECONDS)
        (tmp_path / "hyperbridge.yaml").write_text(after)

        async def is_gone() -> bool:
            names = {each["name"] for each in (await client.get("/healthz")).json()["checks"]}
            return "upstream:trial" not in names

        await answered(is_gone, SECONDS)
        (row,) = await compared(tmp_path)
    assert (row["shadow_upstream"], row["shadow_outcome"]) == ("trial", "ok")


async def test_a_stop_does_not_wait_for_shadows(upstream, tmp_path):
    twin, url = upstream
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(configuration(url, "to: 'twin/slow?first=20', concurrent: 8"))
    with serving(tmp_path, "--config", str(path)) as (process, base):
        async with httpx.AsyncClient(base_url=base, timeout=30) as client:
            for _ in range(4):
                await client.post(CHAT, json=body())
            await eventually(lambda: sum("slow" in (seen.model or "") for seen in twin.seen) == 4, SECONDS)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
    log = (tmp_path / "stderr").read_text()
    assert "Traceback" not in log
    assert log.count('"outcome":"stopping"') == 4


async def test_the_report_sums_up_what_was_compared(upstream, tmp_path):
    yaml = configuration(upstream[1], "to: 'twin/other?chunks=4'")
    async with gateway_of(yaml, tmp_path) as gateway, client_of(gateway) as client:
        for _ in range(3):
            await client.post(CHAT, json=body(stream=True))
            await asyncio.sleep(0.05)
        await compared(tmp_path, 3)
    path = str(tmp_path / "hyperbridge.yaml")

    told = await asyncio.to_thread(run, "router", "shadow", "main", "--config", path)
    table = await asyncio.to_thread(run, "router", "shadow", "--csv", "--since", "1h", "--config", path)
    nothing = await asyncio.to_thread(run, "router", "shadow", "alone", "--config", path)

    assert "main, shadowed by twin/other?chunks=4: 3 calls" in told.stdout
    assert "similarity (quartiles)  0.67, 0.67, 0.67" in told.stdout
    head, row = table.stdout.splitlines()
    found = dict(zip(head.split(","), row.split(","), strict=True))
    assert (found["calls"], found["own_output_tokens"], found["shadow_output_tokens"]) == ("3", "24", "12")
    assert float(found["shadow_cost_usd"]) < float(found["own_cost_usd"])
    assert nothing.stdout == "no shadow has answered in this time\n"
