"""The configuration's file changes while the gateway runs."""

import asyncio
import os
import re
import signal
from collections.abc import Set as AbstractSet
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from app.price_table import SHIPPED
from tests.support.gateway import gateway_of, twin_configuration
from tests.support.process import serving
from tests.support.waiting import answered

CHAT = "/v1/chat/completions"
WATCHED = "server: {watch_seconds: 0.1}\nrouter: {catalogue_seconds: 0}\n"
SECONDS = 10
"""Enough on a machine that is busy with other things; 0.3 s are expected."""


GREETING = """---
description: A greeting.
variables:
  idle: {description: nobody writes it, required: true}
---
Say hello.
"""


def key_entry(name: str) -> str:
    return f"  - {{id: {name}, sha256: {sha256(f'hb-{name}-0001'.encode()).hexdigest()}, models: ['*'], admin: true}}\n"


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer hb-{name}-0001"}


def body(model: str = "words", *, stream: bool = False) -> dict[str, object]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}


def replace(folder: Path, text: str) -> None:
    """As Kubernetes and careful editors do it."""
    beside = folder / "next"
    beside.write_text(text, encoding="utf-8")
    beside.rename(folder / "hyperbridge.yaml")


class Operator:
    """Changes the file, and sees what comes of it."""

    def __init__(self, client: httpx.AsyncClient, folder: Path, url: str) -> None:
        self.client = client
        self.folder = folder
        self.url = url

    def configuration(self, more: str = "", target: str = "twin/twin") -> str:
        return WATCHED + twin_configuration(self.url, more).replace("words: twin/twin", f"words: {target}")

    async def model(self, name: str = "words", **headers: str) -> str:
        """Who answers to this name now; the failure's code where nobody does."""
        answer = await self.client.post(CHAT, json=body(name), headers=headers)
        return answer.headers["x-hyperbridge-model"] if answer.is_success else answer.json()["error"]["code"]

    async def becomes(self, wanted: str, name: str = "words", **headers: str) -> None:
        async def it_is() -> bool:
            return await self.model(name, **headers) == wanted

        await answered(it_is, SECONDS)

    async def check(self, **headers: str) -> dict[str, str]:
        checks = (await self.client.get("/healthz", headers=headers)).json()["checks"]
        return next(each for each in checks if each["name"] == "configuration")

    async def check_becomes(self, state: str) -> dict[str, str]:
        async def it_is() -> bool:
            return (await self.check())["state"] == state

        await answered(it_is, SECONDS)
        return await self.check()

    async def counted(self, outcome: str, wanted: int) -> None:
        async def it_is() -> bool:
            return await self.count(outcome) >= wanted

        await answered(it_is, SECONDS)

    async def count(self, outcome: str) -> float:
        text = (await self.client.get("/metrics")).text
        name = f'hyperbridge_config_reloads_total{{outcome="{outcome}"}} '
        return next((float(line[len(name) :]) for line in text.splitlines() if line.startswith(name)), 0.0)


@pytest.fixture
async def operator(upstream, tmp_path):
    async with (
        gateway_of(WATCHED + twin_configuration(upstream[1]), tmp_path) as running,
        httpx.AsyncClient(base_url=running.url, timeout=20) as client,
    ):
        yield Operator(client, tmp_path, upstream[1])


async def test_an_alias_goes_to_its_new_target_and_new_names_are_known(operator):
    assert await operator.model() == "twin"

    replace(operator.folder, operator.configuration("  more: twin/third\n", target="twin/second"))
    await operator.becomes("second")

    assert await operator.model("more") == "third"
    assert (await operator.check())["state"] == "healthy"
    assert await operator.count("applied") == 1


async def test_a_stream_that_runs_ends_well_from_its_old_target_though_its_upstream_is_removed(operator):
    slow = "  slow: 'twin/old?chunks=30&gap=0.1'\n"
    replace(operator.folder, operator.configuration(slow))
    await operator.becomes("old?chunks=30&gap=0.1", "slow")

    streaming = asyncio.ensure_future(operator.client.post(CHAT, json=body("slow", stream=True)))
    await asyncio.sleep(0.3)
    other = operator.configuration().replace("  twin: {", "  other: {").replace("twin/twin", "other/new")
    replace(operator.folder, other)
    await operator.becomes("new")

    assert not streaming.done()
    assert await operator.model("slow") == "model_not_found"
    answer = await streaming
    assert answer.headers["x-hyperbridge-upstream"] == "twin"
    assert "word29 " in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")
    names = {each["name"] for each in (await operator.client.get("/healthz")).json()["checks"]}
    assert "upstream:other" in names
    assert "upstream:twin" not in names


async def test_an_upstream_whose_settings_are_the_same_keeps_its_connections(upstream, operator):
    await operator.model()
    before = upstream[0].connections
    replace(operator.folder, operator.configuration(target="twin/second"))
    await operator.becomes("second")

    assert upstream[0].connections == before


async def test_a_broken_file_is_kept_out_and_told_until_it_is_mended(operator, caplog):
    replace(operator.folder, operator.configuration("nonsense: {api_key: hb-secret-value}\n"))
    check = await operator.check_becomes("degraded")

    assert await operator.model() == "twin"
    assert "line 8" in check["detail"]
    [told] = [each for each in caplog.messages if "kept out" in each]
    assert "hyperbridge.yaml:8:1: nonsense: unknown setting" in told
    assert "hb-secret-value" not in told
    assert await operator.count("kept_out") == 1
    shown = (await operator.client.get("/admin/configuration")).json()
    assert [fault["path"] for fault in shown["faults"]] == ["nonsense"]

    replace(operator.folder, operator.configuration(target="twin/second"))
    await operator.becomes("second")
    assert (await operator.check_becomes("healthy"))["recommendation"] == ""


async def test_what_is_odd_about_a_prompt_template_is_told_and_one_that_is_wrong_is_kept_out(
    operator, caplog
):
    template = operator.folder / "texts" / "greeting.md"
    template.parent.mkdir()
    template.write_text(GREETING, encoding="utf-8")
    replace(operator.folder, operator.configuration("templates: {folder: texts}\n"))
    await operator.counted("applied", 1)
    odd = "greeting.md: variables.idle is declared, and not used"

    assert [each for each in caplog.messages if each.endswith(odd)]
    assert f"texts/{odd}" in (await operator.client.get("/admin/configuration")).json()["warnings"]

    template.write_text(f"{GREETING}{{{{ unknown }}}}\n", encoding="utf-8")
    check = await operator.check_becomes("degraded")
    assert "line 7 of greeting.md is wrong" in check["detail"]
    [fault] = (await operator.client.get("/admin/configuration")).json()["faults"]
    assert (fault["file"], fault["line"]) == ("greeting.md", 7)


async def test_a_file_that_is_emptied_and_then_written_is_not_taken_for_an_empty_one(operator, caplog):
    path = operator.folder / "hyperbridge.yaml"
    text = operator.configuration(target="twin/second")
    for end in range(0, len(text), 16):  # a writer that takes its time
        path.write_text(text[:end], encoding="utf-8")
        await asyncio.sleep(0.02)
    path.write_text(text, encoding="utf-8")

    await operator.becomes("second")
    assert not [each for each in caplog.messages if "kept out" in each]


async def test_a_link_that_leads_elsewhere_is_followed_as_kubernetes_changes_it(operator):
    path = operator.folder / "hyperbridge.yaml"
    for name, target in (("first", "twin/twin"), ("second", "twin/second")):
        (operator.folder / name).mkdir()
        (operator.folder / name / "file.yaml").write_text(operator.configuration(target=target), "utf-8")
    data = operator.folder / "data"
    data.symlink_to("first")
    path.unlink()
    path.symlink_to("data/file.yaml")

    (operator.folder / "data2").symlink_to("second")
    (operator.folder / "data2").rename(data)

    await operator.becomes("second")


async def test_keys_of_the_file_come_and_go_and_once_there_was_one_they_are_demanded(operator):
    keys = "keys:\n" + key_entry("a") + key_entry("b")
    replace(operator.folder, operator.configuration(keys))
    await operator.becomes("invalid_api_key")
    assert await operator.model(**bearer("a")) == "twin"

    replace(operator.folder, operator.configuration("keys:\n" + key_entry("b")))
    await operator.becomes("invalid_api_key", **bearer("a"))

    assert await operator.model(**bearer("b")) == "twin"
    replace(operator.folder, operator.configuration(target="twin/second"))
    await operator.becomes("invalid_api_key", **bearer("b"))
    assert await operator.model() == "invalid_api_key"


async def test_limits_bounds_and_pages_are_those_of_the_new_file(operator):
    limits = "limits: {rules: [{requests: 1/hour, per: everyone}]}\n"
    changed = operator.configuration(limits).replace(
        "watch_seconds: 0.1", "watch_seconds: 0.1, max_messages: 1, cors_origins: [http://localhost:1]"
    )
    replace(operator.folder, changed)
    await operator.becomes("rate_limit_exceeded")

    two = body() | {"messages": [{"role": "user", "content": "hi"}] * 2}
    answer = await operator.client.post(CHAT, json=two, headers={"origin": "http://localhost:1"})
    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == "http://localhost:1"


async def test_what_only_a_restart_changes_is_told_and_the_rest_is_in_force(operator):
    text = operator.configuration("metrics: {enabled: false}\n", target="twin/second")
    replace(operator.folder, text.replace("watch_seconds: 0.1", "watch_seconds: 0.1, port: 1, workers: 9"))
    await operator.becomes("second")

    later = ["metrics.enabled", "server.port", "server.workers"]
    shown = (await operator.client.get("/admin/configuration")).json()
    assert set(later) <= set(shown["after_restart"])
    assert shown["settings"]["server"]["port"] == 8000
    assert (await operator.client.get("/metrics")).status_code == 200
    check = await operator.check()
    assert check["state"] == "healthy"
    assert "takes effect after a restart: " in check["detail"]


async def test_a_file_that_would_let_everyone_in_is_kept_out(operator):
    replace(operator.folder, operator.configuration().replace("0.1}", '0.1, cors_origins: ["*"]}'))

    await operator.check_becomes("degraded")
    shown = (await operator.client.get("/admin/configuration")).json()
    assert "lets every web page in" in shown["faults"][0]["message"]
    assert await operator.model() == "twin"


async def test_a_price_file_that_changes_counts_at_once(operator):
    prices = operator.folder / "prices.json"
    text = SHIPPED.read_text("utf-8")
    prices.write_text(text, "utf-8")
    replace(operator.folder, operator.configuration("prices: {file: prices.json}\n", target="twin/second"))
    await operator.becomes("second")

    prices.write_text(text + "\n", "utf-8")
    await operator.counted("applied", 2)


async def test_a_worker_that_dies_while_the_file_is_wrong_is_replaced_by_one_with_what_was_in_force(
    upstream, tmp_path
):
    text = "store: {url: null}\n" + WATCHED + twin_configuration(upstream[1])
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(text, encoding="utf-8")
    with serving(tmp_path, "--config", str(path), "--workers", "2") as (_, base):
        async with httpx.AsyncClient(
            base_url=base, timeout=20, limits=httpx.Limits(max_keepalive_connections=0)
        ) as client:
            operator = Operator(client, tmp_path, upstream[1])
            first = await workers(client)
            replace(tmp_path, text.replace("twin/twin", "twin/second"))
            await operator.counted("applied", 2)
            replace(tmp_path, "nonsense: true\n")
            await operator.counted("kept_out", 2)

            os.kill(min(first), signal.SIGKILL)
            assert await workers(client, but=first)

            assert {await operator.model() for _ in range(20)} == {"second"}
            await operator.check_becomes("degraded")


async def workers(client: httpx.AsyncClient, but: AbstractSet[int] = frozenset()) -> set[int]:
    """The processes that answer, when there are two and one of them is none of those named."""
    async with asyncio.timeout(3 * SECONDS):
        while True:
            try:
                text = (await client.get("/metrics")).text
            except httpx.TransportError:  # it was with the worker that died
                continue
            found = {int(pid) for pid in re.findall(r'resident_memory_bytes\{pid="(\d+)"\}', text)}
            if len(found) >= 2 and found != but and found - but:
                return found
            await asyncio.sleep(0.1)
