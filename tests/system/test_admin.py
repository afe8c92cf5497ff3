"""/admin/keys: keys managed over HTTP by keys that may."""

from hashlib import sha256

import httpx
import pytest

from tests.support.gateway import gateway_of, twin_configuration
from tests.support.waiting import eventually

KEYS = "/admin/keys"
ADMIN, USER = "hb-root-0001", "hb-user-0002"
FILE = f"""
keys:
  - {{id: root, sha256: {sha256(ADMIN.encode()).hexdigest()}, models: ["*"], admin: true}}
  - {{id: user, sha256: {sha256(USER.encode()).hexdigest()}, models: [words], limits: {{requests: 9/minute}}}}
"""
STORE = "store: {url: 'sqlite:///keys.db'}\n"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def gateway(upstream, tmp_path):
    async with gateway_of(twin_configuration(upstream[1], FILE + STORE), tmp_path) as running:
        yield running


@pytest.fixture
async def admin(gateway):
    """A client with an admin's key."""
    async with httpx.AsyncClient(base_url=gateway.url, headers=bearer(ADMIN)) as client:
        yield client


async def status(admin, key: str) -> int:
    return (await admin.get("/v1/models", headers=bearer(key))).status_code


async def test_a_key_is_made_shown_once_and_counts_at_once(admin):
    wanted = {
        "id": "app",
        "models": ["words", "twin/any"],
        "limits": {"requests": "60/minute", "usd": ["2.50/day"], "concurrent": 4},
        "priority": "batch",
        "weight": 3,
        "expires_at": "2090-01-31",
        "metadata": {"team": "search"},
    }
    made = await admin.post(KEYS, json=wanted)

    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    key = made.json().pop("key")
    assert key.startswith("hb-app-")
    assert await status(admin, key) == 200
    shown = await admin.get(f"{KEYS}/app")
    assert "key" not in shown.json()
    assert key not in (shown.text + (await admin.get(KEYS)).text)
    assert sha256(key.encode()).hexdigest() not in (await admin.get(KEYS)).text
    assert shown.json() | {"created_at": None} == {
        "id": "app",
        "source": "store",
        "state": "active",
        "models": ["words", "twin/any"],
        "limits": {"requests": ["60/minute"], "tokens": [], "usd": ["2.5/day"], "concurrent": 4},
        "priority": "batch",
        "weight": 3,
        "admin": False,
        "created_at": None,
        "expires_at": "2090-01-31T00:00:00Z",
        "revoked_at": None,
        "replaced_until": None,
        "metadata": {"team": "search"},
    }


async def test_the_list_holds_the_keys_of_the_file_first(admin):
    for id in ("b", "a"):  # noqa: A001
        await admin.post(KEYS, json={"id": id})

    listed = (await admin.get(KEYS)).json()["data"]
    assert [(each["id"], each["source"]) for each in listed] == [
        ("root", "file"),
        ("user", "file"),
        ("a", "store"),
        ("b", "store"),
    ]
    assert listed[1]["limits"]["requests"] == ["9/minute"]
    assert listed[2]["models"] == []


async def test_a_rotated_key_is_another_and_the_one_before_counts_for_its_grace(admin):
    old = (await admin.post(KEYS, json={"id": "a", "models": ["*"]})).json()["key"]

    new = (await admin.post(f"{KEYS}/a/rotate", json={"grace_seconds": 3600})).json()
    assert [await status(admin, key) for key in (old, new["key"])] == [200, 200]
    assert new["replaced_until"]
    third = (await admin.post(f"{KEYS}/a/rotate")).json()["key"]
    assert [await status(admin, key) for key in (old, new["key"], third)] == [401, 401, 200]


async def test_a_revoked_key_ends_at_once_and_for_good(admin):
    key = (await admin.post(KEYS, json={"id": "a", "models": ["*"]})).json()["key"]

    revoked = await admin.delete(f"{KEYS}/a")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert await status(admin, key) == 401
    assert (await admin.delete(f"{KEYS}/a")).json() == revoked.json()
    assert (await admin.post(f"{KEYS}/a/rotate")).status_code == 409
    assert (await admin.post(KEYS, json={"id": "a"})).status_code == 409


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", KEYS),
        ("POST", KEYS),
        ("GET", f"{KEYS}/a"),
        ("DELETE", f"{KEYS}/a"),
        ("POST", f"{KEYS}/a/rotate"),
    ],
)
async def test_who_may_not_manage_keys_is_refused_before_its_body_is_read(admin, method, path):
    refused = await admin.request(method, path, headers=bearer(USER), content=b"not json")
    unknown = await admin.request(method, path, headers=bearer("hb-nobody-1"), content=b"not json")

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "admin_only")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_a_short_lived_key_of_an_admin_is_no_admin(admin):
    lent = (await admin.post("/v1/keys/ephemeral")).json()["key"]

    refused = await admin.get(KEYS, headers=bearer(lent))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "admin_only")


async def test_a_key_that_manages_keys_does_not_revoke_itself(admin):
    other = (await admin.post(KEYS, json={"id": "other", "admin": True})).json()["key"]

    refused = await admin.delete(f"{KEYS}/other", headers=bearer(other))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "key_conflict")
    assert "does not revoke itself" in refused.json()["error"]["message"]
    assert (await admin.delete(f"{KEYS}/other")).status_code == 200


async def test_keys_of_the_file_are_changed_in_the_file(admin):
    for answer in (
        await admin.delete(f"{KEYS}/user"),
        await admin.post(f"{KEYS}/user/rotate"),
        await admin.post(KEYS, json={"id": "user"}),
    ):
        assert answer.status_code == 409
        assert "configuration" in answer.json()["error"]["message"]


async def test_a_key_that_is_not_there_is_told(admin):
    for answer in (
        await admin.get(f"{KEYS}/nobody"),
        await admin.delete(f"{KEYS}/nobody"),
        await admin.post(f"{KEYS}/nobody/rotate"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "key_not_found")


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({}, "id", "'id' is missing."),
        ({"id": "a b"}, "id", "'id' must be 1 to 64 letters"),
        ({"id": "a", "limit": 1}, "limit", "'limit' is not known here."),
        ({"id": "a", "limits": {"requests": "5"}}, "limits.requests", "must be an amount a period"),
        ({"id": "a", "limits": {"concurrent": 0}}, "limits.concurrent", "must be greater than or equal to 1"),
        ({"id": "a", "models": ["wrods"]}, "models", "'models' names 'wrods', which is neither"),
        ({"id": "a", "models": "words"}, "models", "must be a valid"),
        ({"id": "a", "priority": "first"}, "priority", "must be 'interactive', 'normal' or 'batch'"),
        ({"id": "a", "weight": 1001}, "weight", "less than or equal to 1000"),
        ({"id": "a", "admin": "yes"}, "admin", "must be a valid boolean"),
        ({"id": "a", "expires_at": "2001-01-01"}, "expires_at", "is over already"),
        ({"id": "a", "expires_at": "soon"}, "expires_at", "must be a moment before 2100"),
        ({"id": "a", "metadata": {"a": "x" * 513}}, "metadata", "must be at most 16 texts"),
        ({"id": "a", "metadata": {"a": 1}}, "metadata.a", "must be a valid string"),
        ([], None, "The body must be an object."),
    ],
)
async def test_a_wrong_body_is_told_by_its_member(admin, body, param, said):
    answer = await admin.post(KEYS, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert said in error["message"]


async def test_a_body_that_is_no_json_or_too_large_is_refused(admin):
    assert (await admin.post(KEYS, content=b"{nonsense")).status_code == 400
    assert (await admin.post(KEYS, content=b"a=b", headers={"content-type": "text/plain"})).status_code == 415
    assert (await admin.post(KEYS, json={"id": "a" * 70_000})).status_code == 413


async def test_what_was_wrong_is_not_repeated(admin):
    answer = await admin.post(
        KEYS, json={"id": "hb-secret-0123456789" * 9, "metadata": {"x": ["my-password"]}}
    )

    assert "0123456789" not in answer.text
    assert "my-password" not in answer.text


async def test_without_a_database_the_file_is_shown_and_nothing_is_made(upstream, tmp_path):
    async with (
        gateway_of(twin_configuration(upstream[1], FILE), tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=bearer(ADMIN)) as client,
    ):
        assert [each["id"] for each in (await client.get(KEYS)).json()["data"]] == ["root", "user"]
        refused = await client.post(KEYS, json={"id": "a"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")


async def test_the_one_user_without_keys_makes_the_first_one_and_needs_it_from_then_on(upstream, tmp_path):
    async with (
        gateway_of(twin_configuration(upstream[1], STORE), tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        made = await client.post(KEYS, json={"id": "first", "models": ["*"], "admin": True})
        assert made.status_code == 200
        assert (await client.get(KEYS)).status_code == 401
        assert (await client.get(KEYS, headers=bearer(made.json()["key"]))).status_code == 200


async def test_keys_stand_in_no_log_line(admin, gateway, caplog):
    key = (await admin.post(KEYS, json={"id": "a", "models": ["*"]})).json()["key"]
    await admin.post("/v1/chat/completions", json={"model": "words", "messages": []}, headers=bearer(key))

    await eventually(lambda: '"caller":"a"' in gateway.log_text())
    assert key not in gateway.log_text() + caplog.text
