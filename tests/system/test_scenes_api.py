"""/v1/scenes: what a key's holder has remembered, found again, read, deleted, and kept from everybody else."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest

from app.memory.wanted import MOST_CHARACTERS
from scenes.scene import Scene, read
from tests.support.gateway import Served, gateway_of, twin_configuration
from tests.support.waiting import answered, eventually

ALICE, BOB = "hb-alice-0001", "hb-bob-00002"
ROOT = "/v1/scenes"
TURNS = [
    {"role": "user", "agent": "Ada", "text": "Where is the spare key of the boat?", "context": "Monday"},
    {
        "role": "assistant",
        "text": "It is not on board: it hangs in locker 17, code 4711.",
        "context": "Monday",
    },
    {"role": "user", "agent": "Ada", "text": "Пароход уходит в 9:40 без нас.", "context": "Tuesday"},
]
NEVER = "0123456789abcdef" * 2


def listed(name: str, key: str, more: str = "") -> str:
    return f'  - {{id: {name}, sha256: {sha256(key.encode()).hexdigest()}, models: ["*"]{more}}}\n'


KEYS = "keys:\n" + listed("alice", ALICE) + listed("bob", BOB)


def of(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def gateway(upstream, tmp_path, store) -> AsyncGenerator[Served]:
    yaml = twin_configuration(upstream[1], f"{KEYS}store: {{url: '{store}', flush_seconds: 0.05}}\n")
    async with gateway_of(yaml, tmp_path) as served:
        yield served


@pytest.fixture
async def alice(gateway) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, headers=of(ALICE)) as client:
        yield client


@pytest.fixture
async def bob(gateway) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, headers=of(BOB)) as client:
        yield client


@pytest.fixture
async def plain(upstream, tmp_path) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a gateway without keys, and without a database."""
    yaml = twin_configuration(upstream[1], "store: {url: null}\n")
    async with (
        gateway_of(yaml, tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, timeout=60) as client,
    ):
        yield client


async def kept(client: httpx.AsyncClient, session: str = "trip", **members: Any) -> dict[str, Any]:
    answer = await client.post(ROOT, json={"session": session, "turns": TURNS} | members)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def found(client: httpx.AsyncClient, query: str, **members: Any) -> list[dict[str, Any]]:
    answer = await client.post(f"{ROOT}/search", json={"query": query} | members)
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["data"]
    return hits


async def lines(client: httpx.AsyncClient, session: str = "trip") -> list[Scene]:
    answer = await client.get(ROOT, params={"session": session})
    assert answer.status_code == 200, answer.text
    return [read(line) for line in answer.content.splitlines()]


async def test_what_was_said_is_found_and_read_again_word_for_word(alice):
    told = await kept(alice)
    assert (told["session"], told["scenes"], told["new"]) == ("trip", 2, 2)

    [hit] = await found(alice, "which locker has the key?")
    assert hit["by"] == ["words"]
    assert hit["score"] > 0
    scene = msgspec.convert(hit["scene"], Scene)
    assert (scene.id, scene.tenant, scene.session) == (told["ids"][0], "alice", "trip")
    assert {fact.text for fact in scene.facts} >= {"17", "4711", "not"}

    one = await alice.get(f"{ROOT}/{scene.id}")
    assert one.headers["content-type"] == "application/json"
    assert read(one.content) == scene
    original = (await alice.get(f"{ROOT}/{scene.id}/original")).json()
    assert [part["text"] for part in original["parts"]] == [turn["text"] for turn in TURNS[:2]]
    assert [part["source"] for part in original["parts"]] == [span.source for span in scene.source]


async def test_the_same_again_is_nothing_new_and_what_follows_is_numbered_on(alice):
    first = await kept(alice)
    again = await kept(alice)
    assert (again["ids"], again["new"]) == (first["ids"], 0)

    await kept(alice, turns=[{"role": "tool", "text": "The boat was sold."}])
    assert [scene.delta for scene in await lines(alice)] == ["Δ1", "Δ2", "Δ3"]


async def test_a_document_is_cut_and_trusted_as_what_a_tool_gave_back(alice):
    passage = "The mast of the boat is 12 m high. Its sails are red, never white. "
    await kept(alice, "folder", turns=None, document={"title": "boat.txt", "text": passage * 40})
    scenes = await lines(alice, "folder")
    assert len(scenes) > 2
    assert {(scene.kind, scene.trust, scene.context) for scene in scenes} == {
        ("document", "tool", "boat.txt")
    }
    parts = [(await alice.get(f"{ROOT}/{scene.id}/original")).json()["parts"] for scene in scenes]
    assert "".join(part["text"] for several in parts for part in several) == passage * 40


async def test_a_search_keeps_to_session_kinds_limit_and_budget(alice):
    await kept(alice)
    await kept(alice, "other")
    await kept(alice, "notes", kind="decision", turns=TURNS[:1])
    assert {hit["scene"]["session"] for hit in await found(alice, "key boat")} == {"trip", "other", "notes"}
    assert {hit["scene"]["session"] for hit in await found(alice, "key", session="other")} == {"other"}
    assert [hit["scene"]["session"] for hit in await found(alice, "key", kinds=["decision"])] == ["notes"]
    assert len(await found(alice, "key boat", limit=1)) == 1
    few = await found(alice, "key boat", budget_tokens=15)
    assert 0 < sum(hit["scene"]["tokens_raw"] for hit in few) <= 15
    assert await found(alice, '" OR 1=1 -- NEAR( * ^') == []


async def test_a_session_is_exported_a_scene_a_line(alice):
    await kept(alice)
    answer = await alice.get(ROOT, params={"session": "trip"})
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert answer.text.startswith('{"schema":"hb.scene/1"')
    assert len(await lines(alice)) == 2
    assert await lines(alice, "nobody's") == []


async def test_a_long_session_is_exported_whole(alice):
    turns = [{"role": "user", "text": f"Buoy {n} is lit.", "context": str(n)} for n in range(1203)]
    await kept(alice, "long", turns=turns)
    assert [scene.context for scene in await lines(alice, "long")] == [str(n) for n in range(1203)]


async def test_who_leaves_an_export_holds_nothing_back(alice, gateway):
    turns = [{"role": "user", "text": f"Buoy {n} is lit.", "context": str(n)} for n in range(1203)]
    await kept(alice, "long", turns=turns)
    for _ in range(6):
        async with alice.stream("GET", ROOT, params={"session": "long"}) as answer:
            assert answer.status_code == 200
    assert len(await lines(alice, "long")) == 1203
    await eventually(lambda: gateway.log_text().count('"operation":"scenes"') == 8, seconds=10)


async def test_what_is_deleted_is_gone(alice):
    ids = (await kept(alice))["ids"]
    assert (await alice.delete(f"{ROOT}/{ids[0]}")).json()["deleted"] == 1
    for page in (f"{ROOT}/{ids[0]}", f"{ROOT}/{ids[0]}/original"):
        answer = await alice.get(page)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "scene_not_found")
    assert (await alice.delete(f"{ROOT}/{ids[0]}")).status_code == 404
    assert (await alice.delete(ROOT, params={"session": "trip"})).json()["deleted"] == 1
    assert await lines(alice) == []
    assert await found(alice, "пароход") == []


async def test_what_expires_is_told_no_more(alice):
    ids = (await kept(alice, expires_seconds=1))["ids"]
    assert await found(alice, "locker")

    async def is_gone() -> bool:
        return (await alice.get(f"{ROOT}/{ids[0]}")).status_code == 404

    await answered(is_gone, seconds=5)
    assert await found(alice, "locker") == []


async def test_nothing_of_one_key_is_ever_anothers(alice, bob):
    ids = (await kept(alice))["ids"]
    mine = (await kept(bob, turns=[{"role": "user", "text": "The locker is mine."}]))["ids"]

    assert [hit["scene"]["id"] for hit in await found(bob, "locker key boat 4711")] == mine
    assert [hit["scene"]["id"] for hit in await found(bob, "locker", session="trip")] == mine
    assert [scene.id for scene in await lines(bob)] == mine
    for name in (*ids, NEVER):
        for page in (f"{ROOT}/{name}", f"{ROOT}/{name}/original"):
            answer = await bob.get(page)
            assert answer.status_code == 404
            assert answer.json()["error"] == (await bob.get(f"{ROOT}/{NEVER}")).json()["error"]
        assert (await bob.delete(f"{ROOT}/{name}")).status_code == 404
    assert (await bob.delete(ROOT, params={"session": "trip"})).json()["deleted"] == 1
    assert [scene.id for scene in await lines(alice)] == ids


async def test_who_says_the_same_as_another_key_shares_nothing_with_it(alice, bob):
    ids = (await kept(alice))["ids"]
    same = (await kept(bob))["ids"]
    assert not set(ids) & set(same)
    await alice.delete(ROOT, params={"session": "trip"})
    text = (await bob.get(f"{ROOT}/{same[0]}/original")).json()["parts"][0]["text"]
    assert text == TURNS[0]["text"]


async def test_two_workers_hands_at_once_lose_nothing(alice):
    turns = [[{"role": "user", "text": f"Chart {n} shows a wreck.", "context": "x"}] for n in range(12)]
    told = await asyncio.gather(*(kept(alice, "charts", turns=each) for each in turns))
    assert sum(each["new"] for each in told) == 12
    assert len(await lines(alice, "charts")) == 12


@pytest.mark.parametrize("ways", ["page", "search", "ingest", "session"])
async def test_a_short_lived_key_has_no_memory(alice, gateway, ways):
    ids = (await kept(alice))["ids"]
    lent = (await alice.post("/v1/keys/ephemeral", json={"expires_in_seconds": 60})).json()
    asked = {
        "page": ("GET", f"{ROOT}/{ids[0]}", None),
        "search": ("POST", f"{ROOT}/search", {"query": "locker"}),
        "ingest": ("POST", ROOT, {"session": "trip", "turns": TURNS}),
        "session": ("DELETE", f"{ROOT}?session=trip", None),
    }
    method, page, body = asked[ways]
    async with httpx.AsyncClient(base_url=gateway.url, headers=of(lent["key"])) as client:
        answer = await client.request(method, page, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "memory_not_allowed")
    assert len(await lines(alice)) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"turns": TURNS}, "'session' is missing"),
        ({"session": "x"}, "one of the two"),
        ({"session": "x", "turns": TURNS, "document": {"text": "y"}}, "one of the two"),
        ({"session": "x", "turns": [{"role": "god", "text": "y"}]}, "turns.0.role"),
        ({"session": "x\0", "turns": TURNS}, "A session has 1 to 256 characters"),
        ({"session": "x", "turns": [{"role": "user", "text": "y"}] * 2001}, "2000"),
        ({"session": "x", "document": {"text": "y" * (MOST_CHARACTERS + 1)}}, "send it in parts"),
        ({"session": "x", "turns": TURNS, "tenant": "bob"}, "'tenant' is not known"),
    ],
    ids=["no session", "neither", "both", "role", "name", "many", "large", "tenant"],
)
async def test_what_is_wrong_with_a_body_is_told(alice, body, said):
    answer = await alice.post(ROOT, json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


async def test_nothing_to_remember_is_no_failure(alice):
    told = await kept(alice, turns=[{"role": "user", "text": " \n "}])
    assert (told["scenes"], told["ids"]) == (0, [])


async def test_a_body_beyond_the_bound_is_413_and_a_session_must_be_named(alice):
    answer = await alice.post(ROOT, content=b" " * (5 << 20), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    for method in ("GET", "DELETE"):
        answer = await alice.request(method, ROOT)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "session")
    assert (await alice.get(f"{ROOT}/not-an-id")).status_code == 404


async def test_without_a_key_nothing_is_told(gateway):
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        assert (await client.get(ROOT, params={"session": "trip"})).status_code == 401
        assert (await client.get(ROOT)).status_code == 401
        assert (await client.post(f"{ROOT}/search", json={"query": "x"})).status_code == 401


async def test_a_gateway_without_a_database_says_so(plain):
    for method, page, body in (
        ("POST", ROOT, {"session": "x", "turns": TURNS}),
        ("POST", f"{ROOT}/search", {"query": "x"}),
        ("GET", f"{ROOT}?session=x", None),
        ("GET", f"{ROOT}/{NEVER}", None),
        ("DELETE", f"{ROOT}?session=x", None),
    ):
        answer = await plain.request(method, page, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable"), page
        assert "store.url names no database" in answer.json()["error"]["message"]


async def test_these_requests_count_in_limits_have_records_and_no_word_in_the_log(upstream, tmp_path):
    limited = 'limits: {requests: "3/hour"}'
    keys = "keys:\n" + listed("alice", ALICE, f", {limited}")
    yaml = twin_configuration(upstream[1], f"{keys}store: {{url: 'sqlite:///memory.db'}}\n")
    async with (
        gateway_of(yaml, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=of(ALICE)) as client,
    ):
        await kept(client)
        answer = await client.post(f"{ROOT}/search", json={"query": "locker"})
        assert answer.headers["x-ratelimit-remaining-requests"] == "1"
        answer = await client.get(ROOT, params={"session": "trip"})
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        for method in ("GET", "DELETE"):
            answer = await client.request(method, ROOT, params={"session": "trip"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        await eventually(lambda: gateway.log_text().count('"operation":"scenes"') == 5)
        assert json.loads(gateway.log_text().splitlines()[0])["caller"] == "alice"
        assert not re.search("locker|4711|boat", gateway.log_text())
        metrics = (await client.get("/metrics")).text
        assert 'operation="scenes",outcome="ok"' in metrics
