"""Signs of life in a stream that waits for its first content, and what they cost."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import openai
import pytest

from sim.server import Twin
from tests.support.gateway import Served, gateway_of, twin_configuration
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
BEAT = ": waiting\n\n"


@pytest.fixture
async def gateway(upstream: tuple[Twin, str], tmp_path: Path) -> AsyncGenerator[Served]:
    """A gateway whose heart beats fast."""
    yaml = twin_configuration(upstream[1], "server: {heartbeat_seconds: 0.05}")
    async with gateway_of(yaml, tmp_path) as running:
        yield running


def body(model: str, *, stream: bool = True) -> dict[str, object]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}


async def test_a_stream_that_waits_gives_signs_of_life_before_its_first_content(client):
    answer = await client.post(CHAT, json=body("twin/x?first=0.4"))

    assert answer.text.startswith(BEAT * 3)
    assert BEAT not in answer.text.lstrip(BEAT).partition("data:")[2]
    assert answer.text.endswith("data: [DONE]\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "x-hyperbridge-upstream" not in answer.headers


async def test_a_stream_that_begins_in_time_has_its_own_head(client):
    answer = await client.post(CHAT, json=body("twin/x", stream=True))

    assert BEAT not in answer.text
    assert answer.headers["x-hyperbridge-upstream"] == "twin"


async def test_a_failure_before_the_first_beat_has_its_status(client):
    assert (await client.post(CHAT, json=body("twin/x?status=400"))).status_code == 400


async def test_a_failure_after_a_beat_is_an_event_in_a_stream_that_had_begun(client):
    answer = await client.post(CHAT, json=body("twin/x?status=400&head=0.3"))

    assert answer.status_code == 200
    assert answer.text.startswith(BEAT)
    assert '"error"' in answer.text.rsplit("data: ", 1)[1]
    assert "[DONE]" not in answer.text


async def test_an_answer_that_is_no_stream_gets_none(client):
    answer = await client.post(CHAT, json=body("twin/x?first=0.3", stream=False))

    assert answer.json()["object"] == "chat.completion"


async def test_a_client_may_choose_for_itself(client):
    answer = await client.post(CHAT, json=body("twin/x?first=0.3"), headers={"x-hyperbridge-heartbeat": "0"})

    assert BEAT not in answer.text


@pytest.mark.parametrize("value", ["0.5", "61", "-1", "often", "nan"])
async def test_a_wrong_wish_is_named(client, upstream, value):
    answer = await client.post(CHAT, json=body("words"), headers={"x-hyperbridge-heartbeat": value})

    assert answer.status_code == 400
    assert "x-hyperbridge-heartbeat must be seconds" in answer.json()["error"]["message"]
    assert not upstream[0].seen


async def test_a_client_that_leaves_between_beats_ends_the_call(gateway, upstream):
    async with (
        httpx.AsyncClient(base_url=gateway.url) as http,
        http.stream("POST", CHAT, json=body("twin/x?first=30")) as answer,
    ):
        assert await anext(answer.aiter_text()) == BEAT

    await eventually(lambda: upstream[0].open_connections == 0)
    await eventually(lambda: '"outcome":"client_left"' in gateway.log_text())


async def test_the_official_client_passes_them_over(gateway):
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as sdk:
        stream = await sdk.chat.completions.create(
            model="twin/x?first=0.3", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(said).startswith("word0 word1 ")


async def test_without_the_setting_nothing_beats(upstream, tmp_path):
    async with (
        gateway_of(twin_configuration(upstream[1]), tmp_path) as running,
        httpx.AsyncClient(base_url=running.url) as http,
    ):
        answer = await http.post(CHAT, json=body("twin/x?first=0.3"))

    assert BEAT not in answer.text
