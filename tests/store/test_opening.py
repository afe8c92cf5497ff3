"""Opening the database: its tables, its file, and what is said where it cannot be."""

import asyncio
import stat
import subprocess
import sys
import time

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.store import migrating
from app.store.database import Database
from app.store.faults import StoreUnavailable
from app.store.keys import StoredKey
from app.store.opening import Store, opened
from app.store.tables import METADATA, WORDS_TABLE
from tests.support.process import ROOT

START = "import asyncio, sys; from app.store.opening import opened\n"
START += "async def main():\n async with opened(sys.argv[1]) as store: await store.keys.version()\n"
START += "asyncio.run(main())"
REVISIONS = [each.revision for each in ScriptDirectory(str(migrating.FOLDER)).walk_revisions()]


def differences(connection):
    options = {"include_name": lambda name, *_: not (name or "").startswith(WORDS_TABLE)}
    return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)


async def test_the_migrations_make_the_tables_that_the_code_sees(url):
    async with opened(url) as store, store._database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_step_down_and_up_again_ends_at_the_same_tables(url):
    def down_and_up(connection):
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(migrating.FOLDER))
        command.downgrade(config, "base")
        command.upgrade(config, "head")
        return differences(connection)

    async with opened(url) as store, store._database.writing() as connection:
        assert await connection.run_sync(down_and_up) == []


def test_the_newest_revision_is_the_one_that_is_asked_for():
    assert ScriptDirectory(str(migrating.FOLDER)).get_current_head() == migrating.NEWEST


@pytest.mark.parametrize("revision", REVISIONS)
async def test_from_every_revision_the_newest_is_reached(url, revision):
    database = Database(url)
    database.prepare()
    await migrating.migrate(database, revision)
    await database.close()
    async with opened(url) as store, store._database.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_processes_that_start_together_make_the_tables_once(url):
    command = [sys.executable, "-W", "error", "-c", START, url]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(6)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()


async def test_a_database_of_a_newer_version_is_left_alone(url):
    async with opened(url) as store, store._database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreUnavailable, match="made by a newer version of the gateway: update this one"):
        async with opened(url):
            pass


async def test_what_was_kept_is_there_after_a_restart(url):
    async with opened(url) as store:
        await store.keys.add(StoredKey("a", "1" * 64, 1.0))
    async with opened(url) as store:
        assert [key.id for key in (await store.keys.all()).keys] == ["a"]


async def test_one_store_may_be_started_and_closed_again_and_again(url):
    store = Store(url)
    for _ in range(2):
        await store.start()
        assert await store.keys.version() == 0
        await store.close()


async def test_a_file_belongs_to_its_owner_alone(tmp_path):
    path = tmp_path / "odd ?#%20name.db"
    async with opened(f"sqlite:///{path}") as store:
        await store.keys.add(StoredKey("a", "1" * 64, 1.0))
        files = [each for each in tmp_path.iterdir() if each.name.startswith(path.name)]
        assert {each.name for each in files} >= {path.name, f"{path.name}-wal"}
        assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


async def test_a_file_in_no_folder_cannot_be_opened(tmp_path):
    with pytest.raises(StoreUnavailable, match=r"cannot be opened .No such file or directory"):
        async with opened(f"sqlite:///{tmp_path / 'missing' / 'test.db'}"):
            pass


async def test_a_file_that_is_no_database_cannot_be_opened(tmp_path):
    (tmp_path / "test.db").write_text("this is a text of some length, and no database at all" * 100)
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        async with opened(f"sqlite:///{tmp_path / 'test.db'}"):
            pass


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://someone:geheim@127.0.0.1:1/somewhere",
        "postgres://someone:geheim@no-such-host.invalid/somewhere",
        "postgresql://someone:geheim@127.0.0.1:port/somewhere",
        "postgresql://someone:geheim@127.0.0.1:1/somewhere?sslmode=nonsense",
    ],
)
async def test_a_server_that_is_not_there_is_told_without_its_address(address):
    with pytest.raises(StoreUnavailable, match="PostgreSQL cannot be reached") as caught:
        async with opened(address):
            pass
    assert not any(word in str(caught.value) for word in ("someone", "geheim", "127", "somewhere", "invalid"))


async def test_a_database_that_is_not_there_is_told_without_its_name(server):
    with pytest.raises(StoreUnavailable, match="InvalidCatalogName") as caught:
        async with opened(server.url("missing")):
            pass
    assert "missing" not in str(caught.value)


async def test_a_server_that_was_restarted_is_met_again_at_once(server):
    async with opened(server.database()) as store:
        await store.keys.add(StoredKey("a", "1" * 64, 1.0))
        server.stop()
        with pytest.raises(StoreUnavailable):
            await store.keys.version()
        server.start()
        assert await store.keys.version() == 1


async def test_a_server_that_hangs_is_not_waited_for_without_end(server, monkeypatch):
    monkeypatch.setattr("app.store.database.PATIENCE_SECONDS", 0.5)
    async with opened(server.database()) as store:
        server.freeze()
        try:
            begin = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.keys.version()
            assert time.monotonic() - begin < 5
        finally:
            server.thaw()
        assert await store.keys.version() == 0


async def test_a_file_that_another_process_holds_is_waited_for(tmp_path):
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with opened(url) as store, opened(url) as other:
        async with other._database.writing() as connection:
            await connection.execute(text("UPDATE versions SET value = 5"))
            assert await store.keys.version() == 0, "a reader does not wait"
            adding = asyncio.ensure_future(store.keys.add(StoredKey("a", "1" * 64, 1.0)))
            await asyncio.sleep(0.2)
            assert not adding.done()
        await adding
        assert await store.keys.version() == 6
