"""Any OpenAI-compatible server: it takes every model's name, and minds its key where it has one."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from sim.house import Plain
from sim.server import Twin
from tests.sim.asking import CHAT, body


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    twin = Twin(house=Plain(key="right"))
    port = await twin.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client
    await twin.stop()


async def test_it_takes_any_model_from_who_has_the_key(http):
    key = {"authorization": "Bearer right"}

    assert (await http.post(f"/v1{CHAT}", json=body("anything"), headers=key)).status_code == 200
    assert (await http.get("/v1/models", headers=key)).json()["data"][0]["id"] == "twin"
    assert (await http.get("/nothing", headers=key)).status_code == 404


async def test_it_refuses_who_has_not_but_tells_of_its_health(http):
    refused = await http.post(f"/v1{CHAT}", json=body())

    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (await http.get("/health")).status_code == 200
