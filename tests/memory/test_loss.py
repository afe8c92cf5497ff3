"""What is left of what was forgotten, and what happens where the database is full or gone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from app.memory.memory import Wanted
from app.memory.scene_table import SceneTable
from app.store.faults import StoreUnavailable
from app.store.opening import opened
from tests.memory.conftest import NOW
from tests.memory.samples import ENCODER, moment, scene, source, vector

SECRET = "The passphrase of the vault is Xylophone-Quartz-77, do not tell."
SIGNS = [b"Xylophone", b"xylophone", b"passphrase", b"Quartz"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


def bytes_of(file: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(file.parent.glob(f"{file.name}*")))


def members(number: int, **changes: object):
    return {"encoder": ENCODER, "vector": vector(1, number + 0.5, 0.25)} | changes


async def fill(memory, count=60, **changes):
    for number in range(count):
        said = f"{SECRET} It was said for the time number {number}. " + "More of it. " * (number % 40)
        await memory.put([scene(said, **members(number, **changes))], [source(said)])


async def test_no_byte_of_what_was_forgotten_is_left_in_the_file(file):
    async with opened(f"sqlite:///{file}") as store:
        memory = SceneTable(store.database)
        other = "Something else that stays."
        await memory.put([scene(other, session="t", **members(99))], [source(other)])
        before = index_bytes(file)
        await fill(memory)
        assert all(sign in bytes_of(file) for sign in SIGNS[:1])
        assert index_bytes(file) > before + 1000
        assert await memory.forget("a", "s") == 60
        assert [
            sign for sign in (*SIGNS, members(7)["vector"], members(59)["vector"]) if sign in bytes_of(file)
        ] == []
        assert index_bytes(file) < before + 50
        assert await memory.original("a", source(other).hash) == other


def index_bytes(file: Path) -> int:
    """Of FTS5's index. It hides the words of removed rows from who asks for them, but has them until they are merged away."""
    with closing(sqlite3.connect(file)) as connection:
        [(size,)] = connection.execute("SELECT sum(length(block)) FROM scene_words_data")
    return int(size)


async def test_nor_of_what_has_expired(file):
    async with opened(f"sqlite:///{file}") as store:
        memory = SceneTable(store.database, clock=lambda: NOW)
        await fill(memory, expires=moment(NOW + 1))
        assert await memory.expire(NOW + 1) == 60
        assert [sign for sign in SIGNS if sign in bytes_of(file)] == []


async def test_the_index_holds_no_word_of_a_text(file):
    async with opened(f"sqlite:///{file}") as store:
        await SceneTable(store.database).put([scene(SECRET, gist="")], [source(SECRET)])
        with closing(sqlite3.connect(file)) as connection:
            held = b"".join(bytes(row[0]) for row in connection.execute("SELECT block FROM scene_words_data"))
            said = "".join(row[0] for row in connection.execute("SELECT c0 FROM scene_words_content"))
    assert not any(sign.lower() in (held + said.encode()).lower() for sign in SIGNS)


async def test_a_put_that_a_full_disk_stops_is_refused_and_what_was_there_stays(file):
    async with opened(f"sqlite:///{file}") as store:
        memory = SceneTable(store.database)
        await fill(memory, 5)
        before = await memory.scenes("a", "s")
        await store.database.close()

        @event.listens_for(store.database._engine.sync_engine, "connect")
        def small(connection, _):
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA max_page_count = {file.stat().st_size // 4096 + 8}")
            cursor.close()

        said = "A long text. " * 20_000
        with pytest.raises(StoreUnavailable, match=r"SQLite does not answer as it should .*full"):
            await memory.put([scene(said)], [source(said)])
        assert await memory.scenes("a", "s") == before
        assert await memory.original("a", source(said).hash) is None
        assert len(await memory.search(Wanted("a", "passphrase"))) == 5
        assert await memory.forget("a", "s") == 5


async def test_a_database_that_is_gone_is_told_and_what_was_confirmed_is_there_again(server):
    async with opened(server.database()) as store:
        memory = SceneTable(store.database)
        await fill(memory, 3)
        before = await memory.scenes("a", "s")
        server.stop()
        try:
            for asked in (
                memory.put([scene(SECRET)], [source(SECRET)]),
                memory.search(Wanted("a", "passphrase", vector=vector(1, 1, 1), encoder=ENCODER)),
                memory.scenes("a", "s"),
                memory.original("a", source(SECRET).hash),
                memory.forget("a", "s"),
                memory.expire(NOW),
            ):
                with pytest.raises(StoreUnavailable) as caught:
                    await asked
                assert "passphrase" not in str(caught.value)
        finally:
            server.start()
        assert await memory.scenes("a", "s") == before
        assert len(await memory.search(Wanted("a", "passphrase"))) == 3
        await fill(memory, 4)
        assert len(await memory.scenes("a", "s")) == 4
