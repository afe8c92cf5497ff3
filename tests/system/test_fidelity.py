"""What an upstream sends reaches the client byte for byte, apart from what docs/api.md names."""

import json
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio

from app import sse
from app.thoughts import named_twice
from sim.server import Twin
from tests.support.gateway import RECORDED, Served, gateway_of, twin, twin_configuration

STREAMS = sorted(str(path.relative_to(RECORDED)) for path in RECORDED.rglob("*.sse"))
BODIES = sorted(str(path.relative_to(RECORDED)) for path in RECORDED.rglob("*.json"))
BODIES = [name for name in BODIES if not name.endswith(".meta.json")]
ERRORS = [name for name in BODIES if "error" in json.loads((RECORDED / name).read_bytes())]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncGenerator[tuple[Twin, str]]:
    """One twin for all: no answer depends on the one before."""
    async with twin() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(upstream, tmp_path_factory) -> AsyncGenerator[Served]:
    """A gateway whose twin speaks everything that was recorded."""
    speaks = "speaks: [chat, completions, responses, messages]"
    yaml = twin_configuration(upstream[1]).replace("kind: openai", f"kind: openai, {speaks}")
    async with gateway_of(yaml, tmp_path_factory.mktemp("fidelity")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(gateway) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as http:
        yield http


def path_of(name: str) -> str:
    """The operation that a recording belongs to, by its name."""
    for part, path in (
        ("responses", "/v1/responses"),
        ("messages", "/v1/messages"),
        ("completions-", "/v1/completions"),
    ):
        if part in name:
            return path
    return "/v1/chat/completions"


def passed_on(name: str) -> bytes:
    """A recording as it is to arrive: as it is, but for a chat's thoughts, which stand under both names."""
    sent = (RECORDED / name).read_bytes()
    return (
        named_twice(sent, stream=name.endswith(".sse")) if path_of(name) == "/v1/chat/completions" else sent
    )


def request_for(name: str, *, split: int = 0, **more) -> dict:
    asked: dict = {"prompt": "x"} if path_of(name) == "/v1/completions" else {"messages": []}
    return {"model": f"twin/x?replay={name}&split={split}", **asked, **more}


async def asked(client: httpx.AsyncClient, name: str, **more) -> bytes:
    answer = await client.post(path_of(name), json=request_for(name, **more))
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("split", [0, 1, 7, 1000])
@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_arrives_as_it_was_sent(client, name, split):
    got = await asked(client, name, split=split, stream=True, stream_options={"include_usage": True})

    assert got == passed_on(name)


@pytest.mark.parametrize("name", STREAMS)
async def test_usage_that_nobody_asked_for_is_all_that_is_left_out(client, name):
    got = await asked(client, name, stream=True)

    sent = sse.split(passed_on(name))
    kept = [event for event in sent if not _is_usage(event)]
    assert got == b"".join(kept if path_of(name) in {"/v1/chat/completions", "/v1/completions"} else sent)


def _is_usage(event: bytes) -> bool:
    data = sse.data(event)
    if not data.startswith(b"{"):
        return False
    found = json.loads(data)
    return found.get("choices") == [] and bool(found.get("usage"))


@pytest.mark.parametrize("split", [0, 5])
@pytest.mark.parametrize("name", [name for name in BODIES if name not in ERRORS])
async def test_a_plain_answer_arrives_as_it_was_sent(client, name, split):
    assert await asked(client, name, split=split) == passed_on(name)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_compressed_answer_arrives_uncompressed(client, encoding, stream):
    body = {"model": f"twin/x?encoding={encoding}&chunks=50", "messages": [], "stream": stream}
    answer = await client.post("/v1/chat/completions", json=body)

    assert "content-encoding" not in answer.headers
    assert "word49" in answer.text


async def test_a_request_goes_up_as_it_came_but_for_the_model(client, upstream):
    body = (
        '{ "messages" : [ {"role":"user","content":"\\u00e9 é 🦊", "x":1.50} ],\n'
        '"vendor":{"a":[1e3, 12345678901234567890]}, "model":"words", "temperature":0 }'
    ).encode()

    await client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})

    assert upstream[0].seen[-1].body == body.replace(b'"words"', b'"twin"')


async def test_a_stream_asks_for_usage_and_keeps_the_clients_own_options(client, upstream):
    body = {
        "model": "words",
        "messages": [],
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }

    await client.post("/v1/chat/completions", json=body)

    assert upstream[0].seen[-1].json()["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }


async def test_an_openai_error_object_of_the_upstream_passes_as_it_is(client):
    answer = await client.post("/v1/chat/completions", json={"model": "twin/x?status=400", "messages": []})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "The twin was told to answer 400."


async def test_numbers_and_depth_of_any_size_pass_beside_the_usage_that_is_asked(client, upstream):
    odd = b'{"vendor":[18446744073709551616,' + b"[" * 200 + b"]" * 200 + b"]"
    body = b'{"model":"words","messages":[],"stream":true,"stream_options":%b}}' % odd

    answer = await client.post(
        "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 200
    assert b'"stream_options":%b,"include_usage":true}' % odd in upstream[0].seen[-1].body
