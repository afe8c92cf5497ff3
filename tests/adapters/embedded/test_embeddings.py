"""A model that computes embeddings instead of text."""

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest

from tests.adapters.embedded.conftest import http_of
from tests.support.gateway import gateway_of
from tests.support.process import run


@pytest.fixture
async def client(files, tmp_path) -> AsyncGenerator[httpx.AsyncClient]:
    yaml = f"""
upstreams:
  gguf: {{kind: embedded, model: {files.model}, name: vectors, embeddings: true, context_tokens: 256}}
"""
    async with gateway_of(yaml, tmp_path) as served, http_of(served.url) as http:
        yield http


async def embedded(client: httpx.AsyncClient, **members) -> httpx.Response:
    return await client.post("/v1/embeddings", json={"model": "gguf/vectors", **members})


async def test_each_input_gets_its_vector_of_length_one(client):
    found = (await embedded(client, input=["Hello", "world", "Hello"])).json()

    first, second, third = [each["embedding"] for each in found["data"]]
    assert found["model"] == "vectors"
    assert first == pytest.approx(third, abs=1e-5)
    assert first != pytest.approx(second, abs=1e-2)
    assert sum(number * number for number in first) == pytest.approx(1.0, abs=1e-4)
    assert found["usage"]["prompt_tokens"] == 15


async def test_an_input_that_is_too_long_has_openais_code(client):
    answer = await embedded(client, input="x" * 1000)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


async def test_a_wrong_member_is_a_400(client):
    wrong: tuple[dict, ...] = ({"input": ""}, {"input": []}, {"input": "a", "dimensions": 8})
    for members in wrong:
        assert (await embedded(client, **members)).status_code == 400, members


async def test_it_offers_no_text(client):
    body = {"model": "gguf/vectors", "messages": [{"role": "user", "content": "Hello"}]}

    assert (await client.post("/v1/chat/completions", json=body)).status_code == 501


async def test_it_can_be_the_encoder_of_the_router(files, tmp_path):
    yaml = f"""
upstreams:
  demo: {{kind: demo}}
  gguf: {{kind: embedded, model: {files.model}, name: vectors, embeddings: true, context_tokens: 256}}
models: {{demo: demo/demo, vectors: gguf/vectors}}
"""
    (tmp_path / "hyperbridge.yaml").write_text(yaml)
    (tmp_path / "own.yaml").write_text("examples: {deep: [blorp zin, zin fnoo], quick: [mop snar, snar gri]}")
    places = ("--config", str(tmp_path / "hyperbridge.yaml"), "--out", str(tmp_path / "encoder.npz"))
    trained = await asyncio.to_thread(
        run, "router", "train", str(tmp_path / "own.yaml"), "--encoder", "vectors", *places
    )
    more = "router: {encoder: {model: vectors, file: encoder.npz, timeout_seconds: 20}}\nmodes: {deep: {models: [demo]}, quick: {models: [demo]}}\n"
    async with gateway_of(yaml + more, tmp_path) as served, http_of(served.url) as http:
        body = {"model": "auto", "messages": [{"role": "user", "content": "blorp zin"}]}
        told = (await http.post("/v1/route", json=body)).json()

    assert trained.returncode == 0, trained.stderr
    assert told["encoder"] == "asked"
    assert set(told["probabilities"]) == {"deep", "quick"}
