"""A gateway with two fake vLLMs and a folder of adapters."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from sim.nebius import MODELS, Nebius
from sim.seen import Seen
from sim.server import Twin
from sim.vllm import Vllm
from tests.support.adapters import make
from tests.support.gateway import gateway_of
from tests.support.waiting import answered

QUESTION = "Is it there?"
KEYS = {"one": "hb-key-number-one", "two": "hb-key-number-two"}


@dataclass(slots=True)
class Fleet:
    """The fake servers, the folder, and a client of the gateway."""

    houses: list[Vllm]
    twins: list[Twin]
    urls: list[str]
    loras: Path
    answer: str
    stack: AsyncExitStack
    folder: Path
    client: httpx.AsyncClient = None  # type: ignore[assignment]

    def publish(self, name: str, seed: int, answer: str | None = None) -> str:
        return make(self.loras, name, seed, {"user": QUESTION, "answer": answer or self.answer})

    async def start(self, more: str = "", top: str = "") -> httpx.AsyncClient:
        """The gateway; `more` are settings of the upstream, `top` sections of the file."""
        urls = ", ".join(f'"{url}"' for url in self.urls)
        yaml = f"""
upstreams:
  local:
    kind: vllm
    replicas: [{urls}]
    health_check_seconds: 0
    max_loras: 2
    {more}
    loras: {{folder: {self.loras}, look_seconds: 0.05}}
{top}
"""
        served = await self.stack.enter_async_context(gateway_of(yaml, self.folder))
        client = httpx.AsyncClient(base_url=served.url, timeout=20)
        self.client = await self.stack.enter_async_context(client)
        return self.client

    def seen(self, page: str) -> list[Seen]:
        return [seen for twin in self.twins for seen in twin.seen if seen.page == page]

    async def told(self) -> dict[str, Any]:
        (fleet,) = (await self.client.get("/admin/loras")).json()["data"]
        return dict(fleet)

    async def adapter(self, name: str) -> dict[str, Any]:
        return next((each for each in (await self.told())["adapters"] if each["name"] == name), {})

    async def is_ready(self, name: str) -> bool:
        return (await self.adapter(name)).get("state") == "ready"

    async def are_ready(self) -> bool:
        return all(each["ready"] for each in (await self.told())["replicas"])

    async def ask(self, model: str, **more: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], **more}
        return await self.client.post("/v1/chat/completions", json=body)

    async def change(self, action: str, **body: object) -> httpx.Response:
        return await self.client.post(f"/admin/loras/local/{action}", json=body)


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncGenerator[Fleet]:
    async with AsyncExitStack() as stack:
        houses = [Vllm(("base",)), Vllm(("base",))]
        twins = [Twin(house=house) for house in houses]
        urls = []
        for twin in twins:
            urls.append(f"http://127.0.0.1:{await twin.start()}/v1")
            stack.push_async_callback(twin.stop)
        async with httpx.AsyncClient() as direct:
            body = {"model": "base", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 99}
            told = (await direct.post(f"{urls[0]}/chat/completions", json=body)).json()
        loras = tmp_path / "loras"
        loras.mkdir()
        yield Fleet(houses, twins, urls, loras, told["choices"][0]["message"]["content"], stack, tmp_path)


async def test_each_server_is_given_the_adapters_of_the_folder_and_a_name_means_a_version(fleet):
    risk, ideas = fleet.publish("risk", 1), fleet.publish("ideas", 2)
    await fleet.start()
    await answered(lambda: fleet.is_ready(risk), 10)
    await answered(lambda: fleet.is_ready(ideas), 10)

    answer = await fleet.ask("local/risk")

    assert answer.status_code == 200
    assert answer.headers["x-hyperbridge-adapter"] == risk
    assert [set(house.loras) for house in fleet.houses] == [{risk, ideas}] * 2
    assert fleet.houses[0].loras[risk] == str(fleet.loras / risk)
    asked = [seen.json() for seen in fleet.seen("/v1/chat/completions")]
    assert [each["model"] for each in asked if "max_tokens" not in each] == [risk]


async def test_an_adapter_that_is_put_into_the_folder_is_there_soon(fleet):
    await fleet.start()
    risk = fleet.publish("risk", 1)

    await answered(lambda: fleet.is_ready(risk), 10)

    assert (await fleet.ask("local/risk")).status_code == 200


async def test_a_server_that_begins_anew_has_its_adapters_again_before_it_is_asked(fleet):
    risk = fleet.publish("risk", 1)
    await fleet.start()
    await answered(lambda: fleet.is_ready(risk), 10)
    for _ in range(4):
        fleet.houses[0].begin_anew()
        fleet.houses[1].begin_anew()
        assert (await fleet.ask("local/risk")).status_code == 200

    refused = [seen for seen in fleet.seen("/v1/chat/completions") if seen.status == 404]
    assert all(seen.json()["model"] == risk for seen in refused)
    assert len(fleet.seen("/v1/load_lora_adapter")) >= 6


async def test_an_adapter_that_a_server_will_never_take_is_asked_for_once(fleet):
    risk = fleet.publish("risk", 1)
    for house in fleet.houses:
        house.unfit = {risk}
    await fleet.start()

    async def refused() -> bool:
        return (await fleet.adapter(risk)).get("state") == "refused"

    await answered(refused, 10)
    await asyncio.sleep(0.3)

    assert len(fleet.seen("/v1/load_lora_adapter")) == 2
    assert "max_lora_rank" in (await fleet.adapter(risk))["told"]
    assert (await fleet.ask("local/base")).status_code == 200
    for house in fleet.houses:
        house.unfit.clear()
    assert (await fleet.change("load", name=risk)).status_code == 200
    await answered(lambda: fleet.is_ready(risk), 10)


async def test_an_adapter_that_answers_otherwise_than_its_manifest_says_is_taken_away(fleet):
    risk = fleet.publish("risk", 1, answer="Something else.")
    await fleet.start()

    async def refused() -> bool:
        return (await fleet.adapter(risk)).get("state") == "refused"

    await answered(refused, 10)

    assert [set(house.loras) for house in fleet.houses] == [set(), set()]
    assert "otherwise than its manifest" in (await fleet.adapter(risk))["told"]


async def test_an_adapter_that_no_server_would_take_is_not_loaded_and_the_reason_is_told(fleet):
    make(fleet.loras, "risk", 1)
    (fleet.loras / "risk@00000000").mkdir()
    (fleet.loras / "risk@00000000" / "adapter_config.json").write_text(json.dumps({"peft_type": "LOHA"}))
    await fleet.start()

    faults = (await fleet.told())["faults"]

    assert list(faults) == ["risk@00000000"]
    assert "adapter_model.safetensors" in faults["risk@00000000"][0]


async def test_a_server_that_takes_no_adapters_while_it_runs_says_what_to_do(fleet):
    for house in fleet.houses:
        house.takes = False
    risk = fleet.publish("risk", 1)
    await fleet.start()

    async def refused() -> bool:
        return "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1" in (await fleet.adapter(risk)).get("told", "")

    await answered(refused, 10)


async def test_a_name_moves_to_another_version_when_that_is_ready_and_back(fleet):
    old = fleet.publish("risk", 1)
    await fleet.start()
    await answered(lambda: fleet.is_ready(old), 10)
    new = fleet.publish("risk", 2)

    async def known() -> bool:
        return bool(await fleet.adapter(new))

    await answered(known, 10)
    before = (await fleet.ask("local/risk")).headers["x-hyperbridge-adapter"]
    assert (await fleet.change("roll", alias="risk", name=new)).status_code == 200

    async def means(version: str) -> bool:
        return bool((await fleet.told())["aliases"]["risk"]["version"] == version)

    await answered(lambda: means(new), 10)
    after = (await fleet.ask("local/risk")).headers["x-hyperbridge-adapter"]
    assert (await fleet.change("roll", alias="risk")).status_code == 200
    await answered(lambda: means(old), 10)

    assert (before, after) == (old, new)
    assert (await fleet.ask("local/risk")).headers["x-hyperbridge-adapter"] == old


async def test_a_name_stays_where_the_version_that_it_shall_mean_is_refused(fleet):
    old = fleet.publish("risk", 1)
    await fleet.start()
    await answered(lambda: fleet.is_ready(old), 10)
    new = fleet.publish("risk", 2, answer="Something else.")

    async def known() -> bool:
        return bool(await fleet.adapter(new))

    await answered(known, 10)
    await fleet.change("roll", alias="risk", name=new)

    async def given_up() -> bool:
        return bool((await fleet.told())["aliases"]["risk"]["fault"])

    await answered(given_up, 10)

    assert (await fleet.told())["aliases"]["risk"]["version"] == old
    assert (await fleet.ask("local/risk")).headers["x-hyperbridge-adapter"] == old


async def test_what_was_asked_for_outlives_the_process(fleet):
    old, new = fleet.publish("risk", 1), fleet.publish("risk", 2)
    store = f"store: {{url: 'sqlite:///{fleet.folder / 'store.db'}'}}"
    await fleet.start(top=store)
    assert (await fleet.change("roll", alias="risk", name=new)).status_code == 200
    await answered(lambda: fleet.is_ready(new), 10)
    await fleet.start(top=store)
    await answered(lambda: fleet.is_ready(new), 10)

    assert (await fleet.ask("local/risk")).headers["x-hyperbridge-adapter"] == new
    assert (await fleet.adapter(old))["state"] == "unused"


async def test_a_name_that_is_unloaded_is_gone_with_what_it_means(fleet):
    risk = fleet.publish("risk", 1)
    await fleet.start()
    await answered(lambda: fleet.is_ready(risk), 10)
    assert (await fleet.change("unload", name="risk")).status_code == 200

    async def gone() -> bool:
        return not any(house.loras for house in fleet.houses)

    await answered(gone, 10)

    assert (await fleet.ask("local/risk")).status_code == 404
    assert (await fleet.ask(f"local/{risk}")).status_code == 404


async def test_an_adapter_is_loaded_when_the_server_s_calls_have_ended(fleet):
    await fleet.start("choice: round_robin")
    await fleet.ask("local/base")
    streams = [
        asyncio.ensure_future(fleet.ask("local/base?chunks=12&gap=0.1", stream=True)) for _ in range(4)
    ]
    await asyncio.sleep(0.3)
    risk = fleet.publish("risk", 1)
    await answered(lambda: fleet.is_ready(risk), 10)
    answers = await asyncio.gather(*streams)

    assert [answer.status_code for answer in answers] == [200] * 4
    for twin in fleet.twins:
        loaded = next(seen.number for seen in twin.seen if seen.page == "/v1/load_lora_adapter")
        assert all(
            seen.ended for seen in twin.seen if seen.number < loaded and seen.page.endswith("completions")
        )


async def test_no_gateway_sends_calls_to_a_server_that_another_one_gives_an_adapter(fleet):
    store = f"store: {{url: 'sqlite:///{fleet.folder / 'store.db'}'}}"
    first = await fleet.start("choice: round_robin", store)
    await answered(fleet.are_ready, 10)
    second = await fleet.start("choice: round_robin", store)
    await answered(fleet.are_ready, 10)
    body: dict[str, Any] = {"model": "local/base?chunks=12&gap=0.1", "stream": True}
    body["messages"] = [{"role": "user", "content": QUESTION}]
    streams = [
        asyncio.ensure_future(client.post("/v1/chat/completions", json=body))
        for client in (first, second, first, second)
    ]
    await asyncio.sleep(0.3)
    risk = fleet.publish("risk", 1)
    for fleet.client in (first, second):
        await answered(lambda: fleet.is_ready(risk), 20)
    answers = await asyncio.gather(*streams)

    assert [answer.status_code for answer in answers] == [200] * 4
    for twin in fleet.twins:
        loads = [seen.number for seen in twin.seen if seen.page == "/v1/load_lora_adapter"]
        assert len(loads) == 1
        earlier = [seen for seen in twin.seen if seen.number < loads[0] and seen.page.endswith("completions")]
        assert earlier
        assert all(seen.ended for seen in earlier)


@pytest.mark.parametrize(
    ("action", "body", "status", "said"),
    [
        ("load", {"name": "nobody@00000000"}, 404, "Versions in the folder: risk@"),
        ("load", {}, 400, "'name'"),
        ("load", {"name": "x", "more": 1}, 400, "more"),
        ("unload", {"name": "risk@00000000"}, 404, "Versions in the folder: risk@"),
        ("pin", {"name": "risk", "pinned": False}, 409, "is not pinned"),
        ("roll", {"alias": "other", "name": "RISK"}, 409, "is no version of other"),
        ("roll", {"alias": "nobody"}, 404, "nobody"),
        ("roll", {"alias": "risk"}, 409, "nothing to go back to"),
        ("unload", {"name": "RISK"}, 409, "roll it to another version first"),
    ],
)
async def test_what_cannot_be_done_is_told(fleet, action, body, status, said):
    risk = fleet.publish("risk", 1)
    await fleet.start()
    await answered(lambda: fleet.is_ready(risk), 10)

    answer = await fleet.change(
        action, **{name: risk if value == "RISK" else value for name, value in body.items()}
    )

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


async def test_an_upstream_without_adapters_is_told_apart(fleet):
    client = await fleet.start(top="models: {house: local/base}")

    answer = await client.post("/admin/loras/nebius/load", json={"name": "x"})

    assert answer.status_code == 404
    assert "Those that are: local" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "model", ["local/../risk", "local//etc/risk", "local/a/../../b", "local/a\\b", "local/risk@00000000"]
)
async def test_a_name_that_is_a_path_or_no_version_reaches_no_server(fleet, model):
    fleet.publish("risk", 1)
    await fleet.start()
    await fleet.ask("local/base")
    before = len(fleet.seen("/v1/chat/completions"))

    answer = await fleet.ask(model)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert len(fleet.seen("/v1/chat/completions")) == before


async def test_tenants_have_salts_of_their_own_that_no_client_can_choose(fleet):
    keys = ", ".join(
        f'{{id: {name}, sha256: {sha256(key.encode()).hexdigest()}, models: ["*"]}}'
        for name, key in KEYS.items()
    )
    client = await fleet.start(top=f"keys: [{keys}]")
    body = {"model": "local/base", "messages": [{"role": "user", "content": "Hi"}]}
    salts = []
    for key, more in (
        ("one", {}),
        ("one", {}),
        ("two", {}),
        ("one", {"cache_salt": "mine"}),
        ("two", {"cache_salt": "mine"}),
    ):
        headers = {"authorization": f"Bearer {KEYS[key]}"}
        assert (
            await client.post("/v1/chat/completions", json=body | more, headers=headers)
        ).status_code == 200
        salts.append(fleet.seen("/v1/chat/completions")[-1].json()["cache_salt"])
        for twin in fleet.twins:
            twin.forget()

    assert salts[0] == salts[1]
    assert len(set(salts)) == 4
    assert all(len(salt) == 32 for salt in salts)


async def test_an_adapter_whose_manifest_names_keys_is_for_these_alone(fleet):
    risk = fleet.publish("risk", 1)
    manifest = fleet.loras / risk / "adapter.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"keys": ["one"]}))
    keys = ", ".join(
        f'{{id: {name}, sha256: {sha256(key.encode()).hexdigest()}, models: ["*"], admin: true}}'
        for name, key in KEYS.items()
    )
    client = await fleet.start(top=f"keys: [{keys}]")
    client.headers["authorization"] = f"Bearer {KEYS['one']}"
    await answered(lambda: fleet.is_ready(risk), 10)
    body = {"model": "local/risk", "messages": [{"role": "user", "content": QUESTION}]}
    statuses = [
        (await client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}))
        for key in KEYS.values()
    ]

    assert [answer.status_code for answer in statuses] == [200, 403]
    assert statuses[1].json()["error"]["code"] == "model_not_allowed"


async def test_who_goes_first_at_a_server_is_said_by_the_gateway_alone(fleet):
    client = await fleet.start("priorities: true")
    body = {"model": "local/base", "messages": [{"role": "user", "content": "Hi"}], "priority": -9}
    headers = {"x-vllm-priority": "-9", "x-hyperbridge-priority": "batch"}

    assert (await client.post("/v1/chat/completions", json=body, headers=headers)).status_code == 200

    (seen,) = fleet.seen("/v1/chat/completions")[-1:]
    assert seen.json()["priority"] == 0
    assert seen.headers["x-vllm-priority"] == "20"


async def test_what_does_not_fit_goes_to_the_hosted_twin_of_the_adapter(fleet):
    hosted = Twin(house=Nebius())
    fleet.stack.push_async_callback(hosted.stop)
    port = await hosted.start()
    fleet.publish("risk", 1)
    top = f"""
  nebius: {{kind: nebius, url: "http://127.0.0.1:{port}/v1", api_key: any}}
models:
  risk: {{upstream: local, model: risk, fallbacks: [{{to: hosted, when: [rate_limit]}}]}}
  hosted: nebius/{MODELS[0]}
"""
    client = await fleet.start("max_in_flight: 1\n    max_waiting: 1\n    headers: {x-sim: head=0.3}", top)
    await answered(fleet.are_ready, 20)
    body = {"model": "risk", "messages": [{"role": "user", "content": QUESTION}]}
    answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for _ in range(6)))

    assert [answer.status_code for answer in answers] == [200] * 6
    places = Counter(answer.headers["x-hyperbridge-upstream"] for answer in answers)
    assert places == {"local": 3, "nebius": 3}


async def test_a_folder_that_cannot_be_read_is_told_and_the_base_is_answered(fleet):
    fleet.loras.rmdir()
    await fleet.start()

    assert (await fleet.ask("local/base")).status_code == 200
    assert "cannot be read" in (await fleet.told())["fault"]
