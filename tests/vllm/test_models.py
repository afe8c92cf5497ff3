"""Models and LoRA adapters: listed with their parents, asked for by name, loaded and taken away at run time."""

import json
import shutil
from collections.abc import AsyncGenerator

import pytest

from adapters.breaking import Breaking
from adapters.directory import Directory
from adapters.openai_http import Address, OpenAIHttp
from adapters.pool import Origin, Pool
from adapters.vllm import Replica, Vllm
from app.breaker import Breaker, Tolerance
from app.contracts import Timeouts
from app.errors import UpstreamBroken, UpstreamRefused
from tests.vllm.asking import MESSAGES, asked, chat
from tests.vllm.server import LISTED_ADAPTERS, SPARE_ADAPTER, Server


@pytest.fixture
async def administration(vllm: Server) -> AsyncGenerator[Vllm]:
    """The adapter itself, as an operator's door reaches it."""
    origin = Origin.of(f"{vllm.url}/v1")
    upstream = OpenAIHttp(Address(origin.authority, "/v1"), Pool(origin), Timeouts())
    directory = Directory(f"{vllm.url}/v1", {}, None)
    yield Vllm([Replica(vllm.url, Breaking(upstream, Breaker(Tolerance())), directory)])
    await directory.close()
    upstream.close()


async def test_adapters_are_listed_below_their_base(client):
    listed = (await client.get("/v1/models")).json()["data"]

    parents = {card["id"]: card["parent"] for card in listed}
    assert parents == {
        "house": None,
        "local/base": None,
        "local/poet": "local/base",
        "local/clerk": "local/base",
        "auto": None,
    }


async def test_the_list_says_the_context_and_not_where_the_weights_lie(client, vllm):
    base = await client.get("/v1/models/local/base")
    poet = await client.get("/v1/models/local/poet")

    assert base.json()["hyperbridge"]["context_tokens"] == 1024
    assert str(vllm.models) not in base.text + poet.text


async def test_base_and_adapters_say_different_things_and_each_the_same_twice(client):
    names = ["local/base", *(f"local/{name}" for name in LISTED_ADAPTERS)]
    texts = {
        name: (await asked(client, chat(name)))["choices"][0]["message"]["content"] for name in names * 2
    }

    assert len(set(texts.values())) == len(names)
    for name, text in texts.items():
        assert (await asked(client, chat(name)))["choices"][0]["message"]["content"] == text


async def test_an_alias_answers_as_the_model_behind_it_within_its_own_bounds(client):
    aliased = await asked(client, {"model": "house", "messages": MESSAGES, "temperature": 0})
    named = await asked(client, chat("local/base", max_tokens=12))

    assert aliased["choices"] == named["choices"]


async def test_an_adapter_comes_and_goes_at_run_time(client, administration, vllm):
    await administration.load(SPARE_ADAPTER, str(vllm.models / SPARE_ADAPTER))
    await administration.load(SPARE_ADAPTER, str(vllm.models / SPARE_ADAPTER))  # repeating it changes nothing
    loaded = await asked(client, chat(f"local/{SPARE_ADAPTER}"))
    listed = await client.get(f"/v1/models/local/{SPARE_ADAPTER}")
    await administration.unload(SPARE_ADAPTER)
    await administration.unload(SPARE_ADAPTER)
    gone = await client.post("/v1/chat/completions", json=chat(f"local/{SPARE_ADAPTER}"))

    assert loaded["model"] == SPARE_ADAPTER
    assert loaded["choices"] != (await asked(client, chat()))["choices"]
    assert listed.json()["parent"] == "local/base"
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "model_not_found")


async def test_an_adapter_that_is_not_there_is_refused_without_its_path(administration, vllm):
    with pytest.raises(UpstreamRefused) as refused:
        await administration.load("nowhere", str(vllm.models / "nowhere"))

    assert refused.value.status == 404
    assert str(vllm.models) not in refused.value.message


async def test_an_adapter_that_does_not_fit_is_refused_and_the_server_goes_on(
    client, administration, vllm, tmp_path
):
    shutil.copytree(vllm.models / SPARE_ADAPTER, tmp_path / "wide")
    settings = json.loads((tmp_path / "wide" / "adapter_config.json").read_text())
    (tmp_path / "wide" / "adapter_config.json").write_text(json.dumps(settings | {"r": 256}))

    with pytest.raises((UpstreamRefused, UpstreamBroken)):
        await administration.load("wide", str(tmp_path / "wide"))

    assert (await asked(client, chat()))["choices"]
