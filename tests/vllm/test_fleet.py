"""Two real vLLMs with more adapters than slots: each call is answered by its own adapter, whatever happens to the servers."""

import asyncio
import json
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import gateway_of
from tests.vllm.server import PYTHON, START_SECONDS, Launch

SEEDS = ("alpha=11", "alpha=12", "beta=13", "gamma=14", "delta=15", "epsilon=16", "zeta=17")
CALLS = 2000
AT_ONCE = 16


@dataclass(slots=True)
class Models:
    """The folder with base and adapters; what each version answers, by question; versions by id, in the order they were made."""

    folder: Path
    expected: Mapping[str, Mapping[str, str]]
    versions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def served(self) -> Path:
        """The folder that the gateway looks into."""
        return self.folder / "loras"

    def publish(self, name: str) -> None:
        """Put a version where the gateway finds it, whole at once."""
        beside = self.served / f".{name}"
        shutil.copytree(self.folder / "made" / name, beside)
        beside.rename(self.served / name)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("fleet")
    script = Path(__file__).parent / "fleet_models.py"
    made = subprocess.run(
        [PYTHON, script, folder, *SEEDS], capture_output=True, text=True, check=False, timeout=START_SECONDS
    )
    assert made.returncode == 0, made.stderr[-3000:]
    models = Models(folder, json.loads((folder / "expected.json").read_text("utf-8")))
    for name in models.expected:
        if name != "base":
            models.versions.setdefault(name.partition("@")[0], []).append(name)
    models.served.mkdir()
    return models


@pytest.fixture(scope="module")
def replicas(models: Models) -> Generator[list[Launch]]:
    options: list[str | Path] = [
        "--model",
        models.folder / "base",
        "--served-model-name",
        "base",
        "--enable-lora",
    ]
    options += ["--max-loras", "2", "--max-cpu-loras", "4", "--max-lora-rank", "8", "--max-model-len", "256"]
    launches = [Launch(models.folder, *options, core=core) for core in range(2)]
    for launch in launches:
        launch.start()
    try:
        for launch in launches:
            launch.wait()
        yield launches
    finally:
        for launch in launches:
            launch.stop()


@pytest.fixture
async def client(models: Models, replicas: list[Launch], tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    urls = ", ".join(f'"{each.url}/v1"' for each in replicas)
    yaml = f"""
upstreams:
  local:
    kind: vllm
    replicas: [{urls}]
    max_loras: 2
    max_cpu_loras: 4
    health_check_seconds: 0.5
    timeouts: {{connect: 1}}
    loras: {{folder: {models.served}, base: {models.folder / "base"}, max_rank: 8, look_seconds: 0.3, keep_seconds: 5}}
models:
  house: local/base
"""
    async with (
        gateway_of(yaml, tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, timeout=120) as opened,
    ):
        yield opened


async def fleet(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/admin/loras")
    assert answer.status_code == 200, answer.text
    (told,) = answer.json()["data"]
    return dict(told)


async def until(what: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.1)


def ready(client: httpx.AsyncClient, *names: str, on: int = 2) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        told = await fleet(client)
        found = {each["name"]: len(each["ready_on"]) for each in told["adapters"]}
        return all(found.get(name, 0) >= on for name in names)

    return look


async def change(client: httpx.AsyncClient, action: str, **body: object) -> None:
    answer = await client.post(f"/admin/loras/local/{action}", json=body)
    assert answer.status_code == 200, answer.text


@dataclass(slots=True)
class Traffic:
    """Calls in random order, and what came of them."""

    client: httpx.AsyncClient
    models: Models
    names: list[str]
    wrong: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    left: int = CALLS
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def run(self) -> None:
        await asyncio.gather(*(self._some() for _ in range(AT_ONCE)))

    async def _some(self) -> None:
        while self.left > 0:
            self.left -= 1
            name = self.chance.choice(self.names)
            question = self.chance.choice(list(self.models.expected["base"]))
            await self._ask(name, question, stream=self.chance.random() < 0.5)

    async def _ask(self, name: str, question: str, *, stream: bool) -> None:
        body = {
            "model": name,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": 8,
            "stream": stream,
        }
        answer = await self.client.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            self.wrong.append(f"{name}: {answer.status_code} {answer.text[:300]}")
            return
        told = streamed(answer.text) if stream else answer.json()["choices"][0]["message"]["content"]
        version = answer.headers.get("x-hyperbridge-adapter", "base")
        meant = name.removeprefix("local/")
        if version.partition("@")[0] != ("base" if name == "house" else meant):
            self.wrong.append(f"{name} was answered by {version}")
        if whole(told) != whole(self.models.expected[version][question]):
            others = [
                each for each, said in self.models.expected.items() if whole(said[question]) == whole(told)
            ]
            self.wrong.append(f"{name} ({version}) answered as {others or repr(told)}")
        self.answered[version] += 1


def whole(text: str) -> str:
    """Without a character at the end that was cut in two by the bound: a stream leaves it out."""
    return text.rstrip("\ufffd")


def streamed(text: str) -> str:
    pieces = []
    for line in text.splitlines():
        if line.startswith("data: {"):
            event = json.loads(line.removeprefix("data: "))
            assert "error" not in event, event
            pieces += [choice["delta"].get("content") or "" for choice in event["choices"]]
    return "".join(pieces)


async def changes(traffic: Traffic, server: Launch) -> None:
    """An adapter comes, one is rolled and rolled back, one goes; and this server is killed and started again."""
    client, models = traffic.client, traffic.models
    old, new = models.versions["alpha"]
    (zeta,) = models.versions["zeta"]

    async def reached(calls: int) -> None:
        await until(lambda: asyncio.sleep(0, CALLS - traffic.left >= calls), 300)

    await reached(200)
    models.publish(new)
    models.publish(zeta)
    await until(ready(client, zeta))
    traffic.names.append("local/zeta")
    await reached(500)
    await change(client, "roll", alias="alpha", name=new)
    await reached(900)
    server.kill()
    await reached(1100)
    server.start()
    traffic.names.remove("local/epsilon")
    await reached(1300)
    await change(client, "unload", name="epsilon")
    await asyncio.to_thread(server.wait)
    await until(ready(client, new, zeta))
    await change(client, "roll", alias="alpha", name=old)


async def test_every_call_is_answered_by_its_own_adapter_while_servers_come_and_go(client, models, replicas):
    old, new = models.versions["alpha"]
    first = [old, *(models.versions[name][0] for name in ("beta", "gamma", "delta", "epsilon"))]
    for name in first:
        models.publish(name)
    await until(ready(client, *first))
    traffic = Traffic(client, models, ["house", *(f"local/{name.partition('@')[0]}" for name in first)])

    await asyncio.gather(traffic.run(), changes(traffic, replicas[1]))

    assert traffic.wrong == []
    assert traffic.answered.total() == CALLS
    assert set(traffic.answered) == {"base", new, *first, *models.versions["zeta"]}
    await agreed(client)


async def agreed(client: httpx.AsyncClient) -> None:
    """What the gateway says is ready is what each server lists."""

    async def same() -> bool:
        told = await fleet(client)
        for each in told["replicas"]:
            async with httpx.AsyncClient() as direct:
                listed = (await direct.get(f"{each['where']}/models")).json()["data"]
            if {card["id"] for card in listed if card["parent"]} != set(each["adapters"]) or not each[
                "ready"
            ]:
                return False
        return all(each["state"] in {"ready", "unused"} for each in told["adapters"])

    await until(same)
