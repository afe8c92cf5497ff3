"""What is too large in itself is refused before anybody is asked, with the bound and what was found."""

import json

import httpx
import pytest

from tests.support.gateway import gateway_of, twin_configuration
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
SETTINGS = """
  small: {upstream: twin, model: twin, max_prompt_tokens: 20}
server: {max_depth: 20, max_messages: 5, max_prompt_tokens: 100}
"""


@pytest.fixture
async def gateway(upstream, tmp_path):
    async with gateway_of(twin_configuration(upstream[1], SETTINGS), tmp_path) as running:
        yield running


def chat(*texts: str, **more) -> dict:
    return {"model": "words", "messages": [{"role": "user", "content": text} for text in texts]} | more


def nested(depth: int) -> object:
    value: object = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("path", "body", "code", "param", "said"),
    [
        (CHAT, chat("x", extra=nested(20)), None, None, "nested at least 21 deep; at most 20 are allowed"),
        (CHAT, chat(*"abcdef"), None, "messages", "'messages' has at least 6 items; at most 5 are allowed"),
        (
            "/v1/responses",
            {"model": "words", "input": [{}] * 6},
            None,
            "input",
            "'input' has at least 6 items",
        ),
        (CHAT, chat("x" * 401), "context_length_exceeded", None, "about 101 tokens; at most 100 are allowed"),
        (
            "/v1/rerank",
            {"model": "words", "query": "x", "documents": ["x" * 300, "x" * 100]},
            "context_length_exceeded",
            None,
            "about 101 tokens; at most 100 are allowed",
        ),
        (
            CHAT,
            chat("x" * 81, model="small"),
            "context_length_exceeded",
            None,
            "at most 20 are allowed (models.small.max_prompt_tokens)",
        ),
        (
            CHAT,
            chat("x" * 81, models=["small"]),
            "context_length_exceeded",
            None,
            "at most 20 are allowed (models.small.max_prompt_tokens)",
        ),
    ],
)
async def test_a_request_beyond_a_bound_is_a_400(client, upstream, path, body, code, param, said):
    answer = await client.post(path, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)
    assert said in error["message"]
    assert all(seen.method == "GET" for seen in upstream[0].seen)


async def test_a_request_at_its_bounds_is_answered(client):
    body = chat("x" * 80, "x" * 80, "x" * 80, "x" * 80, "x" * 80, extra=nested(19))

    assert (await client.post(CHAT, json=body)).status_code == 200
    assert (await client.post(CHAT, json=chat("x" * 80, model="small"))).status_code == 200


async def test_anthropics_clients_are_told_in_their_own_words(client):
    answer = await client.post("/v1/messages", json=chat("x" * 500, max_tokens=5))

    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_schema_as_deep_as_they_come_passes_the_default(upstream, tmp_path):
    schema: object = {"type": "string"}
    for _ in range(20):
        schema = {"type": "object", "properties": {"next": {"anyOf": [schema, {"type": "null"}]}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    async with (
        gateway_of(twin_configuration(upstream[1]), tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        assert (await client.post(CHAT, json=chat("x", tools=[tool] * 50))).status_code == 200


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (CHAT, {"user": "maria@example.com"}),
        (CHAT, {"safety_identifier": "maria@example.com"}),
        ("/v1/messages", {"metadata": {"user_id": "maria@example.com"}, "max_tokens": 5}),
    ],
)
async def test_a_user_stands_in_the_log_as_a_short_hash_and_nowhere_else(client, gateway, path, named):
    await client.post(path, json=chat("x") | named)
    await client.post(path, json=chat("y") | named)
    await client.post(path, json=chat("y") | ({"max_tokens": 5} if "max_tokens" in named else {}))

    await eventually(lambda: gateway.log_text().count("\n") == 3)
    lines = [json.loads(line) for line in gateway.log_text().splitlines()]
    assert lines[0]["user"] == lines[1]["user"]
    assert len(lines[0]["user"]) == 12
    assert int(lines[0]["user"], 16) >= 0
    assert lines[2]["user"] is None
    assert "maria" not in gateway.log_text()
    assert "maria" not in (await client.get("/metrics")).text


@pytest.mark.parametrize(
    ("asked", "status"), [("batch", 200), ("interactive", 200), ("first", 400), ("", 400)]
)
async def test_a_priority_is_asked_for_by_header(client, asked, status):
    answer = await client.post(CHAT, json=chat("x"), headers={"x-hyperbridge-priority": asked})

    assert answer.status_code == status
    if status == 400:
        assert "must be one of interactive, normal, batch" in answer.json()["error"]["message"]
