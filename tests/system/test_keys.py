from hashlib import sha256

import httpx
import pytest

from app.keys.wanted import new_key
from tests.support.gateway import gateway_of, twin_configuration

CHAT = "/v1/chat/completions"
BODY = {"model": "words", "messages": []}
WIDE, NARROW, NONE = "hb-wide-0001", "hb-narrow-0002", "hb-none-0003"
KEYS = f"""
  other: twin/other
keys:
  - {{id: wide, sha256: {sha256(WIDE.encode()).hexdigest()}, models: ["*"]}}
  - {{id: narrow, sha256: {sha256(NARROW.encode()).hexdigest()}, models: [words]}}
  - {{id: none, sha256: {sha256(NONE.encode()).hexdigest()}, models: []}}
"""


@pytest.fixture
async def keyed(upstream, tmp_path):
    async with (
        gateway_of(twin_configuration(upstream[1], KEYS), tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {WIDE}"}]
)
async def test_without_a_known_key_nothing_is_answered(keyed, upstream, headers):
    for answer in (
        await keyed.post(CHAT, json=BODY, headers=headers),
        await keyed.get("/v1/models", headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert all(seen.method == "GET" for seen in upstream[0].seen)


async def test_a_key_is_refused_before_its_body_is_read(keyed):
    answer = await keyed.post(CHAT, content=b"not json", headers={"content-type": "text/plain"})

    assert answer.status_code == 401


@pytest.mark.parametrize("header", [{"authorization": f"bearer {WIDE}"}, {"x-api-key": WIDE}])
async def test_a_known_key_is_let_in_either_way_it_is_sent(keyed, header):
    assert (await keyed.post(CHAT, json=BODY, headers=header)).status_code == 200


@pytest.mark.parametrize(
    ("key", "model", "status"),
    [
        (WIDE, "other", 200),
        (WIDE, "twin/anything", 200),
        (NARROW, "words", 200),
        (NARROW, "other", 403),
        (NARROW, "twin/words", 403),
        (NONE, "words", 403),
    ],
)
async def test_a_key_may_use_the_models_it_lists_and_no_other(keyed, key, model, status):
    answer = await keyed.post(CHAT, json=BODY | {"model": model}, headers={"authorization": f"Bearer {key}"})

    assert answer.status_code == status


async def test_the_model_list_holds_what_the_key_may_use(keyed):
    async def listed(key: str) -> list[str]:
        answer = await keyed.get("/v1/models", headers={"authorization": f"Bearer {key}"})
        return [model["id"] for model in answer.json()["data"]]

    assert await listed(WIDE) == ["words", "other", "twin/twin", "twin/twin-lora", "auto"]
    assert await listed(NARROW) == ["words", "auto"]
    assert await listed(NONE) == []


async def test_a_model_that_the_key_may_not_use_is_not_found(keyed):
    answer = await keyed.get("/v1/models/other", headers={"authorization": f"Bearer {NARROW}"})

    assert answer.status_code == 404


async def test_an_adapter_names_its_parent(keyed):
    answer = await keyed.get("/v1/models/twin/twin-lora", headers={"authorization": f"Bearer {WIDE}"})

    assert answer.json()["parent"] == "twin/twin"


def test_a_new_key_carries_its_name_and_its_hash():
    key, digest = new_key("frontend")

    assert key.startswith("hb-frontend-")
    assert digest == sha256(key.encode()).hexdigest()
    assert new_key("frontend")[0] != key
