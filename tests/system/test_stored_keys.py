"""`hyperbridge keys` on the database, beside a gateway that runs: what is changed there is known within a second."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import time
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from app.store.keys import StoredKey
from app.store.opening import opened
from tests.support.gateway import gateway_of, twin_configuration
from tests.support.postgres import postgresql
from tests.support.process import run, serving

MODELS = "/v1/models"
FILE_KEY = "hb-file-0001"
FILE = f"keys: [{{id: file, sha256: {sha256(FILE_KEY.encode()).hexdigest()}, models: [words]}}]\n"
KNOWN_SECONDS = 3.0
"""Twice the poll is promised; a busy machine gets three times that."""


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def create(folder, *arguments: str) -> str:
    """The key that `keys create` shows."""
    done = run("keys", "create", *arguments, "--config", str(folder / "hyperbridge.yaml"), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["key"]


def kill_workers(above: int) -> None:
    for child in Path(f"/proc/{above}/task/{above}/children").read_text().split():
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
            os.kill(int(child), signal.SIGKILL)


def keys(folder, *arguments: str):
    return run("keys", *arguments, "--config", str(folder / "hyperbridge.yaml"))


async def answers(client, status: int, key: str = "", **more) -> httpx.Response:
    """The first answer with this status."""
    end = time.monotonic() + KNOWN_SECONDS
    while True:
        answer = await client.get(MODELS, headers=bearer(key) if key else {}, **more)
        if answer.status_code == status or time.monotonic() > end:
            assert answer.status_code == status, answer.text
            return answer
        await asyncio.sleep(0.05)


async def checked(client, state: str) -> dict:
    """What health says of the keys, once it is in this state."""
    end = time.monotonic() + KNOWN_SECONDS
    while True:
        health = (await client.get("/healthz")).json()
        found = next(each for each in health["checks"] if each["name"] == "keys")
        if found["state"] == state or time.monotonic() > end:
            assert found["state"] == state, found
            return found
        await asyncio.sleep(0.05)


@pytest.fixture
def configured(tmp_path):
    """A folder with a configuration whose database stands beside it."""
    (tmp_path / "hyperbridge.yaml").write_text(
        "upstreams: {demo: {kind: demo}}\nmodels: {demo: demo/demo}\n" + FILE.replace("words", "demo")
    )
    return tmp_path


@pytest.fixture
async def stored(upstream, tmp_path):
    """A gateway with a database and a key in its file, and a client of it."""
    yaml = twin_configuration(upstream[1], FILE + "store: {url: 'sqlite:///keys.db'}\n")
    async with (
        gateway_of(yaml, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        yield gateway, client


async def test_a_key_is_created_rotated_and_revoked_while_the_gateway_runs(stored, tmp_path):
    _, client = stored
    key = await asyncio.to_thread(create, tmp_path, "search", "--models", "words,twin/twin")
    answer = await answers(client, 200, key)
    assert [model["id"] for model in answer.json()["data"]] == ["words", "twin/twin", "auto"]

    rotated = await asyncio.to_thread(keys, tmp_path, "rotate", "search", "--grace", "1h", "--json")
    other = json.loads(rotated.stdout)["key"]
    await answers(client, 200, other)
    await answers(client, 200, key)

    again = await asyncio.to_thread(keys, tmp_path, "rotate", "search", "--json")
    third = json.loads(again.stdout)["key"]
    refused = await answers(client, 401, other)
    assert refused.json()["error"]["message"] == "The API key 'search' was replaced by a new one."
    assert (await answers(client, 401, key)).json()["error"]["code"] == "invalid_api_key"
    await answers(client, 200, third)

    await asyncio.to_thread(keys, tmp_path, "revoke", "search")
    refused = await answers(client, 401, third)
    assert refused.json()["error"]["message"] == "The API key 'search' was revoked."


async def test_the_limits_of_a_stored_key_hold(stored, tmp_path):
    _, client = stored
    key = await asyncio.to_thread(create, tmp_path, "few", "--all-models", "--requests", "2/hour")
    await answers(client, 200, key)
    body = {"model": "words", "messages": []}

    statuses = [
        (await client.post("/v1/chat/completions", json=body, headers=bearer(key))).status_code
        for _ in range(3)
    ]

    assert statuses == [200, 200, 429]


async def test_without_its_database_the_gateway_knows_the_keys_it_knew_and_says_so(stored, tmp_path):
    gateway, client = stored
    key = await asyncio.to_thread(create, tmp_path, "a", "--all-models")
    await answers(client, 200, key)
    database = sqlite3.connect(tmp_path / "keys.db")
    database.execute("ALTER TABLE versions RENAME TO elsewhere")
    database.commit()

    assert (await checked(client, "degraded"))["recommendation"]
    await asyncio.sleep(1.2)  # two polls more
    assert (await client.get(MODELS, headers=bearer(key))).status_code == 200

    database.execute("ALTER TABLE elsewhere RENAME TO versions")
    database.commit()
    database.close()
    await checked(client, "healthy")
    assert key not in gateway.log_text()


async def test_a_damaged_row_costs_its_own_key_alone_and_is_named(stored, tmp_path, caplog):
    _, client = stored
    admin = await asyncio.to_thread(create, tmp_path, "boss", "--all-models", "--admin")
    other = await asyncio.to_thread(create, tmp_path, "other", "--all-models")
    broken = await asyncio.to_thread(create, tmp_path, "broken", "--all-models")
    await answers(client, 200, broken)
    database = sqlite3.connect(tmp_path / "keys.db")
    database.execute("UPDATE keys SET allowance = '[]' WHERE id = 'broken'")
    database.execute("UPDATE versions SET value = value + 1 WHERE name = 'keys'")
    database.commit()
    database.close()

    await answers(client, 401, broken)
    assert "'broken'" in (await checked(client, "degraded"))["detail"]
    assert [each.levelname for each in caplog.records if "'broken'" in each.getMessage()] == ["ERROR"]
    made = await client.post("/admin/keys", json={"id": "new"}, headers=bearer(admin))
    assert made.status_code == 200, made.text
    assert (await client.delete("/admin/keys/broken", headers=bearer(admin))).status_code == 409
    await asyncio.to_thread(keys, tmp_path, "revoke", "other")
    await answers(client, 401, other)
    assert "'broken' is damaged" in (await asyncio.to_thread(keys, tmp_path, "list")).stderr


async def test_a_damaged_row_is_no_reason_to_let_everyone_in(tmp_path, upstream):
    yaml = twin_configuration(upstream[1], "store: {url: 'sqlite:///keys.db'}\n")
    async with opened(f"sqlite:///{tmp_path / 'keys.db'}") as store:
        await store.keys.add(StoredKey("only", "0" * 64, 1.0, weight=0))
    async with (
        gateway_of(yaml, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        await answers(client, 401)


async def test_health_says_so_where_changes_of_keys_are_not_looked_for_any_more(stored):
    _, client = stored
    await checked(client, "healthy")
    [watching] = [each for each in asyncio.all_tasks() if "Registry._watch" in repr(each)]
    watching.cancel()

    assert (await checked(client, "unhealthy"))["recommendation"]


@pytest.mark.usefixtures("stored")
async def test_a_database_that_does_not_answer_is_told_in_the_log_once_a_minute(tmp_path, caplog):
    database = sqlite3.connect(tmp_path / "keys.db")
    database.execute("ALTER TABLE versions RENAME TO elsewhere")
    database.commit()
    database.close()
    await asyncio.sleep(2)

    said = [each.getMessage() for each in caplog.records if "does not tell its keys" in each.getMessage()]
    assert len(said) == 1


async def test_the_first_key_ends_single_user_mode_of_a_gateway_that_runs(upstream, tmp_path):
    yaml = twin_configuration(upstream[1], "store: {url: 'sqlite:///keys.db'}\n")
    async with (
        gateway_of(yaml, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        assert (await client.get(MODELS)).status_code == 200
        key = await asyncio.to_thread(create, tmp_path, "first", "--all-models", "--admin")
        await answers(client, 401)
        assert (await client.get(MODELS, headers=bearer(key))).status_code == 200
        await asyncio.to_thread(keys, tmp_path, "revoke", "first")
        await answers(client, 401, key)
        assert (await client.get(MODELS)).status_code == 401


async def test_every_worker_of_a_gateway_learns_of_a_revocation_within_a_second(tmp_path):
    (tmp_path / "hyperbridge.yaml").write_text("upstreams: {demo: {kind: demo}}\nmodels: {demo: demo/demo}\n")
    key = create(tmp_path, "a", "--all-models")
    config = str(tmp_path / "hyperbridge.yaml")
    with serving(tmp_path, "--config", config, "--workers", "2") as (_, url):
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            closing = bearer(key) | {"connection": "close"}
            for _ in range(10):
                assert (await client.get(MODELS, headers=closing)).status_code == 200
            lent = await client.post("/v1/keys/ephemeral", headers=bearer(key))
            short = bearer(lent.json()["key"]) | {"connection": "close"}
            for _ in range(10):
                assert (await client.get(MODELS, headers=short)).status_code == 200

            async with opened(f"sqlite:///{tmp_path / 'hyperbridge.db'}") as store:
                await store.keys.revoke("a", time.time())
            await asyncio.sleep(KNOWN_SECONDS)
            for headers in (closing, short) * 10:
                assert (await client.get(MODELS, headers=headers)).status_code == 401


async def test_two_hosts_on_one_postgresql_know_the_same_keys(upstream, tmp_path):
    with postgresql() as server:
        yaml = twin_configuration(upstream[1], FILE + f"store: {{url: '{server.database()}'}}\n")
        folders = [tmp_path / "one", tmp_path / "two"]
        for folder in folders:
            folder.mkdir()
        async with (
            gateway_of(yaml, folders[0]) as one,
            gateway_of(yaml, folders[1]) as two,
            httpx.AsyncClient(base_url=one.url) as first,
            httpx.AsyncClient(base_url=two.url) as second,
        ):
            key = await asyncio.to_thread(create, folders[0], "a", "--all-models")
            await answers(first, 200, key)
            await answers(second, 200, key)
            lent = (await first.post("/v1/keys/ephemeral", headers=bearer(key))).json()["key"]
            assert (await second.get(MODELS, headers=bearer(lent))).status_code == 200

            await asyncio.to_thread(keys, folders[1], "revoke", "a")
            for client in (first, second):
                await answers(client, 401, key)
                await answers(client, 401, lent)


def test_a_public_address_without_any_key_is_refused_with_the_way_out(configured):
    path = configured / "hyperbridge.yaml"
    path.write_text(path.read_text().replace(FILE.replace("words", "demo"), "server: {host: 0.0.0.0}\n"))

    done = run("serve", "--port", "0", "--config", str(path))
    assert done.returncode != 0
    assert "hyperbridge keys create" in done.stderr

    key = create(configured, "a", "--all-models")
    with serving(configured, "--config", str(path)) as (_, url):
        port = url.rpartition(":")[2]
        answer = httpx.get(f"http://127.0.0.1:{port}{MODELS}", headers=bearer(key))
        assert answer.status_code == 200


def test_a_table_shows_every_key_and_no_hash(configured):
    key = create(
        configured, "search", "--models", "demo", "--requests", "60/minute", "--usd", "2.50/day",
        "--concurrent", "4", "--priority", "batch", "--expires", "2090-01-31", "--metadata", "team=x",
    )  # fmt: skip
    create(configured, "nothing")
    create(configured, "boss", "--all-models", "--admin")
    keys(configured, "revoke", "nothing")

    listed = keys(configured, "list").stdout
    rows = [line.split("  ") for line in listed.splitlines()]
    table = [[cell.strip() for cell in row if cell.strip()] for row in rows]

    assert table == [
        ["id", "source", "models", "limits", "priority", "expires", "state"],
        ["file", "file", "demo", "none", "normal", "never", "active"],
        ["boss (admin)", "store", "*", "none", "normal", "never", "active"],
        ["nothing", "store", "none", "none", "normal", "never", "revoked"],
        ["search", "store", "demo", "60/minute requests, 2.5/day usd, 4 at once", "batch", "2090-01-31T00:00:00Z", "active"],
    ]  # fmt: skip
    whole = listed + keys(configured, "list", "--json").stdout
    digest = sha256(key.encode()).hexdigest()
    assert key not in whole
    assert digest not in whole
    assert digest.encode() in (configured / "hyperbridge.db").read_bytes() + b"".join(
        path.read_bytes() for path in configured.glob("hyperbridge.db-wal")
    )
    assert key.encode() not in (configured / "hyperbridge.db").read_bytes()
    assert oct((configured / "hyperbridge.db").stat().st_mode & 0o777) == "0o600"
    assert json.loads(keys(configured, "list", "--json").stdout)[-1]["metadata"] == {"team": "x"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "a", "--models", "demo,dmo"), "models: 'dmo' is neither a configured model nor"),
        (("create", "a", "--requests", "5/fortnight"), "limits.requests: must be an amount a period"),
        (("create", "a", "--weight", "0"), "weight: must be greater than or equal to 1"),
        (("create", "a", "--concurrent", "0"), "limits.concurrent: must be greater than or equal to 1"),
        (("create", "a", "--expires", "2001-01-01"), "must be a moment that is yet to come"),
        (("create", "a", "--expires", "soon"), "must be a moment before 2100"),
        (("create", "a", "--metadata", "team"), "a name and a text, like team=search"),
        (("create", "a", "--models", "demo", "--all-models"), "not allowed with"),
        (("create", "a b"), "1 to 64 letters"),
        (("create", "eph"), "stands for short-lived keys"),
        (("create", "file"), "the configuration has a key 'file'"),
        (("revoke", "file"), "stands in the configuration's file"),
        (("rotate", "file"), "stands in the configuration's file"),
        (("revoke", "nobody"), "there is no key 'nobody'"),
        (("rotate", "nobody"), "there is no key 'nobody'"),
        (("rotate", "nobody", "--grace", "1"), "must be a whole number with its unit"),
        (("rotate", "nobody", "--grace", "31d"), "must be at most 30d"),
        (("rotate", "nobody", "--grace", "3000000d"), "must be at most 30d"),
        (("create", "a", "--expires", "3000000d"), "expires_at: must be a moment before 2100"),
    ],
)
def test_what_cannot_be_done_is_told_with_status_2(configured, arguments, said):
    done = keys(configured, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_an_id_is_given_once_also_after_it_was_revoked(configured):
    create(configured, "a")
    keys(configured, "revoke", "a")

    assert "exists already" in keys(configured, "create", "a").stderr
    assert "was revoked" in keys(configured, "rotate", "a").stderr
    assert keys(configured, "revoke", "a").returncode == 0


def test_without_a_database_the_commands_say_what_there_is_instead(configured):
    path = configured / "hyperbridge.yaml"
    path.write_text(path.read_text() + "store: {url: null}\n")

    done = keys(configured, "create", "a")
    assert done.returncode == 2
    assert "hyperbridge keys new NAME" in done.stderr


def test_a_database_that_cannot_be_reached_is_told_without_its_password(configured):
    path = configured / "hyperbridge.yaml"
    path.write_text(path.read_text() + "store: {url: 'postgresql://u:pass-word-1@127.0.0.1:1/x'}\n")

    done = keys(configured, "list")
    assert done.returncode == 2
    assert "PostgreSQL cannot be reached" in done.stderr
    assert "pass-word-1" not in done.stderr


def test_a_signing_key_that_can_be_guessed_is_refused(configured):
    done = run("serve", "--config", str(configured / "hyperbridge.yaml"), HYPERBRIDGE_SIGNING_KEY="short")

    assert done.returncode == 2
    assert "HYPERBRIDGE_SIGNING_KEY must have at least 32 characters" in done.stderr
    assert os.environ.get("HYPERBRIDGE_SIGNING_KEY") is None


def test_the_key_of_hashes_may_stand_in_the_file_of_the_environment(tmp_path):
    (tmp_path / "hyperbridge.yaml").write_text(
        f"upstreams: {{demo: {{kind: demo}}}}\nmodels: {{demo: demo/demo}}\nlogs: {{file: '{tmp_path / 'log'}'}}\n"
    )
    (tmp_path / ".env").write_text("HYPERBRIDGE_HASH_KEY=0123456789abcdef\n")
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
    for _ in range(2):
        with serving(tmp_path, "--config", str(tmp_path / "hyperbridge.yaml")) as (_, url):
            assert httpx.post(f"{url}/v1/chat/completions", json=body, timeout=20).status_code == 200

    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    hashes = [line["prompt"] for line in lines if line["event"] == "exchange"]
    assert len(hashes) == 2
    assert len(set(hashes)) == 1
    assert hashes[0]


def test_every_web_page_is_let_in_with_keys_alone(tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(
        "upstreams: {demo: {kind: demo}}\nserver: {cors_origins: ['*']}\n"
        f"store: {{url: 'sqlite:///{tmp_path}/keys.db'}}\n"
    )

    done = run("serve", "--port", "0", "--config", str(path))
    assert done.returncode != 0
    assert "server.cors_origins: *" in done.stderr

    create(tmp_path, "a", "--all-models")
    with serving(tmp_path, "--config", str(path)) as (_, url):
        assert httpx.get(f"{url}{MODELS}").status_code == 401


def test_the_welcome_shows_a_key_where_one_is_demanded_also_of_the_database(tmp_path):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(
        f"upstreams: {{demo: {{kind: demo}}}}\nstore: {{url: 'sqlite:///{tmp_path}/keys of mine.db'}}\n"
    )

    def shown() -> str:
        with serving(tmp_path, "--config", str(path)) as (process, _):
            assert process.stdout is not None
            return "".join(process.stdout.readline() for _ in range(3))

    assert "curl" in shown()
    assert "authorization" not in shown()
    create(tmp_path, "a", "--all-models")
    assert "-H 'authorization: Bearer YOUR_KEY'" in shown()


async def test_a_worker_that_replaces_another_starts_without_the_database_and_waits_for_it(configured):
    key = create(configured, "a", "--all-models")
    config = str(configured / "hyperbridge.yaml")
    database = sqlite3.connect(configured / "hyperbridge.db")
    with serving(configured, "--config", config, "--workers", "2") as (process, url):
        async with httpx.AsyncClient(base_url=url, timeout=20, headers={"connection": "close"}) as client:

            async def known(key: str) -> set[int]:
                found = set()
                for _ in range(10):
                    with contextlib.suppress(httpx.TransportError):  # it was a worker's that was killed
                        found.add((await client.get(MODELS, headers=bearer(key))).status_code)
                return found

            async def become(statuses: set[int]) -> None:
                end = time.monotonic() + 30
                while (now := await known(key)) != statuses:
                    assert time.monotonic() < end, now

            await become({200})
            for table in ("versions", "alembic_version", "secrets"):
                database.execute(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
            database.commit()
            kill_workers(process.pid)
            await become({503})
            assert await known(FILE_KEY) == {200}
            assert "those of the file alone" in (await checked(client, "degraded"))["detail"]
            refused = await client.post("/v1/keys/ephemeral", headers=bearer(FILE_KEY))
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")

            for table in ("versions", "alembic_version", "secrets"):
                database.execute(f"ALTER TABLE {table}_elsewhere RENAME TO {table}")
            database.commit()
            database.close()
            await become({200})
            assert await known("hb-nobody") == {401}
            await checked(client, "healthy")
