"""POST /v1/keys/ephemeral: keys for who must not have the real one."""

import asyncio
import json
import time
from hashlib import sha256

import httpx
import pytest

from tests.support.gateway import gateway_of, twin_configuration
from tests.support.process import serving
from tests.support.waiting import eventually

EPHEMERAL, CHAT = "/v1/keys/ephemeral", "/v1/chat/completions"
BACKEND = "hb-backend-0001"
PAGE = "https://app.example"
BODY = {"model": "words", "messages": []}
MORE = f"""
  other: twin/other
keys:
  - {{id: backend, sha256: {sha256(BACKEND.encode()).hexdigest()}, models: [words, other], limits: {{requests: 5/hour}}}}
limits: {{rules: [{{per: user, requests: 3/hour}}]}}
server: {{cors_origins: ["{PAGE}"]}}
"""


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def gateway(upstream, tmp_path):
    async with gateway_of(twin_configuration(upstream[1], MORE), tmp_path) as running:
        yield running


async def lend(client, **wanted) -> dict:
    answer = await client.post(EPHEMERAL, json=wanted, headers=bearer(BACKEND))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def ask(client, key: str, **more) -> httpx.Response:
    return await client.post(CHAT, json=BODY | more, headers=bearer(key))


async def test_a_backend_lends_a_key_that_ends_soon(client):
    lent = await lend(
        client, expires_in_seconds=60, models=["words"], user="u1", limits={"requests": "2/minute"}
    )

    assert 0 < lent["expires_at"] - time.time() <= 61
    assert lent | {"key": "", "id": "", "expires_at": 0} == {
        "object": "ephemeral_key",
        "key": "",
        "id": "",
        "expires_at": 0,
        "parent": "backend",
        "models": ["words"],
        "user": "u1",
        "priority": "normal",
        "limits": {"requests": ["2/minute"], "tokens": [], "usd": [], "concurrent": None},
    }
    assert (await ask(client, lent["key"])).status_code == 200
    assert (await ask(client, lent["key"], model="other")).status_code == 403
    models = await client.get("/v1/models", headers=bearer(lent["key"]))
    assert [model["id"] for model in models.json()["data"]] == ["words", "auto"]


async def test_without_a_body_it_is_the_parent_for_ten_minutes(client):
    answer = await client.post(EPHEMERAL, headers=bearer(BACKEND))

    assert answer.json()["models"] is None
    assert 590 < answer.json()["expires_at"] - time.time() <= 601
    assert (await ask(client, answer.json()["key"], model="other")).status_code == 200


async def test_after_its_time_it_counts_no_more(client):
    lent = await lend(client, expires_in_seconds=1)
    await asyncio.sleep(max(0.0, lent["expires_at"] - time.time()) + 0.05)

    refused = await ask(client, lent["key"])
    assert refused.status_code == 401
    assert refused.json()["error"]["message"] == "The short-lived API key made from 'backend' has expired."


async def test_its_own_limits_hold_beside_those_of_its_parent(client):
    first = (await lend(client, limits={"requests": "2/hour"}, user="u1"))["key"]
    second = (await lend(client, user="u2"))["key"]

    assert [(await ask(client, first)).status_code for _ in range(3)] == [200, 200, 429]
    assert [(await ask(client, second)).status_code for _ in range(4)] == [200, 200, 200, 429]  # the user's
    refused = await ask(client, BACKEND)
    assert refused.status_code == 429  # 5 an hour, all used by the short-lived ones
    assert "The key 'backend'" in refused.json()["error"]["message"]


async def test_the_user_is_the_one_it_is_bound_to_whatever_a_call_says(client, gateway):
    key = (await lend(client, user="u1"))["key"]

    for user in ("u1", "u2", "u3"):
        assert (await ask(client, key, user=user)).status_code == 200
    assert (await ask(client, key, user="u4")).status_code == 429
    await ask(client, BACKEND, user="u1")
    await eventually(lambda: gateway.log_text().count("\n") == 5)
    users = [json.loads(line)["user"] for line in gateway.log_text().splitlines()]
    assert len(set(users)) == 1
    assert len(users[0]) == 12
    assert {json.loads(line)["caller"] for line in gateway.log_text().splitlines()} == {"backend"}


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"expires_in_seconds": 3601}, 400, None, "expires_in_seconds"),
        ({"expires_in_seconds": 0}, 400, None, "expires_in_seconds"),
        ({"models": []}, 400, None, "models"),
        ({"models": ["nonsense"]}, 403, "model_not_allowed", "models"),
        ({"models": ["twin/words"]}, 403, "model_not_allowed", "models"),
        ({"limits": {"requests": "many"}}, 400, None, "limits.requests"),
        ({"admin": True}, 400, None, "admin"),
        ({"user": ""}, 400, None, "user"),
        ({"user": "u" * 257}, 400, None, "user"),
    ],
)
async def test_what_cannot_be_lent_is_refused(client, body, status, code, param):
    answer = await client.post(EPHEMERAL, json=body, headers=bearer(BACKEND))

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


async def test_only_a_key_itself_lends(client):
    key = (await lend(client))["key"]

    refused = await client.post(EPHEMERAL, headers=bearer(key))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "ephemeral_key_not_allowed")
    assert (await client.post(EPHEMERAL)).status_code == 401
    assert (await client.post(EPHEMERAL, content=b"x" * 70_000, headers=bearer(BACKEND))).status_code == 413


async def test_a_page_of_an_allowed_origin_uses_it_as_a_browser_does(client):
    key = (await lend(client))["key"]
    preflight = await client.options(
        CHAT,
        headers={
            "origin": PAGE,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type",
        },
    )
    answer = await client.post(CHAT, json=BODY, headers=bearer(key) | {"origin": PAGE})
    stream = await client.post(CHAT, json=BODY | {"stream": True}, headers=bearer(key) | {"origin": PAGE})
    elsewhere = await client.options(
        CHAT, headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
    )

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    for each in (answer, stream):
        assert each.status_code == 200
        assert each.headers["access-control-allow-origin"] == PAGE
        assert "x-request-id" in each.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in elsewhere.headers


async def test_it_stands_in_no_log_line(client, gateway):
    lent = await lend(client)
    key = lent["key"]
    await ask(client, key)
    await ask(client, key[:-1] + ("0" if key[-1] != "0" else "1"))

    await eventually(lambda: gateway.log_text().count("\n") == 2)
    assert "hb-eph" not in gateway.log_text()
    lines = [json.loads(line) for line in gateway.log_text().splitlines()]
    assert lent["id"] in [line["grant"] for line in lines if line["event"] == "exchange"]


@pytest.mark.parametrize("store", ["store: {url: null}\n", "store: {url: 'sqlite:///keys.db'}\n"])
def test_all_workers_know_each_others_and_a_new_start_knows_those_of_the_store(tmp_path, store):
    path = tmp_path / "hyperbridge.yaml"
    key = f"keys: [{{id: backend, sha256: {sha256(BACKEND.encode()).hexdigest()}, models: ['*']}}]\n"
    path.write_text("upstreams: {demo: {kind: demo}}\nmodels: {demo: demo/demo}\n" + key + store)

    def statuses(url: str) -> set[int]:
        headers = bearer(lent) | {"connection": "close"}
        return {httpx.get(f"{url}/v1/models", headers=headers).status_code for _ in range(12)}

    with serving(tmp_path, "--config", str(path), "--workers", "2") as (_, url):
        lent = httpx.post(f"{url}{EPHEMERAL}", headers=bearer(BACKEND), timeout=20).json()["key"]
        assert statuses(url) == {200}
    with serving(tmp_path, "--config", str(path)) as (_, url):
        assert statuses(url) == ({401} if "null" in store else {200})
