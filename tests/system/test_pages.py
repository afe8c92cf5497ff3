"""Web pages: who may call from a browser, and what a page from elsewhere cannot do."""

import pytest

from app import config
from tests.support.gateway import gateway_of, twin_configuration

CHAT = "/v1/chat/completions"
BODY = {"model": "words", "messages": []}
PAGE = {"origin": "https://app.example.com"}


@pytest.fixture
async def open_to_a_page(upstream, tmp_path):
    yaml = twin_configuration(upstream[1], 'server: {cors_origins: ["https://app.example.com"]}')
    async with gateway_of(yaml, tmp_path) as gateway:
        yield gateway.url


async def test_a_page_that_is_allowed_may_ask_and_read(client, open_to_a_page):
    asks = PAGE | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    before = await client.options(open_to_a_page + CHAT, headers=asks)
    answer = await client.post(open_to_a_page + CHAT, json=BODY, headers=PAGE)

    assert before.status_code == 200
    assert before.headers["access-control-allow-headers"] == "authorization"
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE["origin"]
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


async def test_a_page_may_read_a_stream_and_an_error_too(client, open_to_a_page):
    for more in ({"stream": True}, {"model": "nothing"}):
        answer = await client.post(open_to_a_page + CHAT, json=BODY | more, headers=PAGE)
        assert answer.headers["access-control-allow-origin"] == PAGE["origin"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
async def test_a_page_from_elsewhere_reaches_no_upstream(client, upstream, origin):
    answer = await client.post(CHAT, json=BODY, headers={"origin": origin})

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert upstream[0].seen == []


async def test_a_page_of_this_machine_is_the_single_user(client):
    assert (
        await client.post(CHAT, json=BODY, headers={"origin": "http://localhost:3000"})
    ).status_code == 200


async def test_any_page_needs_keys(tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text('server: {cors_origins: ["*"]}\nupstreams: {demo: {kind: demo}}\nstore: {url: null}\n')

    with pytest.raises(
        config.ConfigError, match=r":1:25: server.cors_origins\[0\]: \* needs at least one key"
    ):
        config.load(path, {})
