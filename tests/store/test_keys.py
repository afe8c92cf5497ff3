"""The keys in the database: one suite for both kinds."""

import asyncio
import math
import sqlite3

import pytest
from sqlalchemy import update

from app.allowance import Allowance, Bound
from app.store.faults import DamagedKey, ExpiredKey, KeyExists, RevokedKey, UnknownKey
from app.store.keys import StoredKey, allowance_of, described
from app.store.opening import opened
from app.store.tables import KEYS

FULL = StoredKey(
    "front-end",
    "1" * 64,
    1_800_000_000.25,
    models=("words", "twin/x"),
    allowance=Allowance(
        (Bound(5, "minute"), Bound(100, "day")), (Bound(9, "hour"),), (Bound(2_500_000_001, "month"),), 3
    ),
    priority="batch",
    weight=7,
    admin=True,
    expires_at=1_900_000_000.5,
    metadata={"team": "blue", "note": "ünïcode 🎈"},
)


def key(number: int) -> StoredKey:
    return StoredKey(f"key-{number}", f"{number:064d}", 1.0)


async def test_a_key_comes_back_as_it_was_put_in(store):
    every = StoredKey("every", "2" * 64, 1.0, models=None)
    for each in (FULL, every):
        await store.keys.add(each)
    assert (await store.keys.all()).keys == [every, FULL]


async def test_no_keys_are_no_keys_of_version_zero(store):
    assert (await store.keys.version(), (await store.keys.all()).keys) == (0, [])


async def test_every_change_raises_the_version(store):
    versions = [await store.keys.version()]
    await store.keys.add(key(1))
    versions.append(await store.keys.version())
    await store.keys.rotate("key-1", "f" * 64, 5.0)
    versions.append(await store.keys.version())
    await store.keys.revoke("key-1", 5.0)
    versions.append(await store.keys.version())
    assert versions == sorted(set(versions))


async def test_what_is_refused_changes_nothing_and_raises_no_version(store):
    await store.keys.add(key(1))
    before = (await store.keys.version(), (await store.keys.all()).keys)
    for refused, kind in (
        (store.keys.add(StoredKey("key-1", "e" * 64, 1.0)), KeyExists),
        (store.keys.add(StoredKey("other", key(1).digest, 1.0)), KeyExists),
        (store.keys.revoke("nobody", 1.0), UnknownKey),
        (store.keys.rotate("nobody", "e" * 64, 1.0), UnknownKey),
    ):
        with pytest.raises(kind) as caught:
            await refused
        assert key(1).digest not in str(caught.value)
    assert (await store.keys.version(), (await store.keys.all()).keys) == before


async def test_a_revoked_key_stays_revoked_as_it_was_first(store):
    await store.keys.add(key(1))
    assert (await store.keys.revoke("key-1", 5.0)).revoked_at == 5.0
    assert (await store.keys.revoke("key-1", 9.0)).revoked_at == 5.0
    with pytest.raises(RevokedKey, match="was revoked: make another one"):
        await store.keys.rotate("key-1", "f" * 64, 9.0)
    with pytest.raises(KeyExists):
        await store.keys.add(key(1))


async def test_after_a_rotation_the_digest_before_is_known_with_its_end(store):
    await store.keys.add(key(1))
    rotated = await store.keys.rotate("key-1", "f" * 64, 99.5)
    assert [rotated] == (await store.keys.all()).keys
    assert (rotated.digest, rotated.previous_digest, rotated.previous_until) == (
        "f" * 64,
        key(1).digest,
        99.5,
    )


async def test_a_key_cannot_be_rotated_to_the_secret_of_another(store):
    await store.keys.add(key(1))
    await store.keys.add(key(2))
    with pytest.raises(KeyExists):
        await store.keys.rotate("key-1", key(2).digest, 1.0)


async def test_many_changes_at_once_each_count(store):
    await asyncio.gather(*(store.keys.add(key(number)) for number in range(20)))
    assert len((await store.keys.all()).keys) == 20
    assert await store.keys.version() == 20


async def test_a_secret_is_the_same_for_everyone_who_asks(store):
    found = await asyncio.gather(*(store.secret("signing", bytes([number]) * 32) for number in range(8)))
    assert len(set(found)) == 1
    assert await store.secret("other", b"\x00\xff") == b"\x00\xff"


async def test_a_key_that_has_expired_is_not_rotated_to_one_that_has_as_well(store):
    await store.keys.add(FULL)
    assert FULL.expires_at is not None
    with pytest.raises(ExpiredKey, match="has expired: make another one"):
        await store.keys.rotate("front-end", "e" * 64, FULL.expires_at)
    rotated = await store.keys.rotate("front-end", "e" * 64, FULL.expires_at - 1, 5)
    assert rotated.previous_until == FULL.expires_at + 4


def test_no_digest_is_shown_where_a_key_is():
    assert FULL.digest not in repr(FULL)


def test_an_allowance_is_written_as_the_configuration_writes_it():
    assert described(FULL.allowance) == {
        "requests": ["5/minute", "100/day"],
        "tokens": ["9/hour"],
        "usd": ["2.500000001/month"],
        "concurrent": 3,
    }
    assert allowance_of(described(FULL.allowance)) == FULL.allowance


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("allowance", "[]"),
        ("allowance", '{"requests": ["5/fortnight"]}'),
        ("allowance", '{"concurrent": "many"}'),
        ("models", "5"),
        ("models", "null"),
        ("models", '["words'),
        ("models", "[" * 5000),
        ("metadata", '{"team": 5}'),
        ("priority", "first"),
        ("weight", 0),
        ("digest", "no digest"),
        ("previous_digest", "no digest"),
        ("expires_at", math.nan),
        ("previous_until", math.nan),
    ],
)
async def test_a_damaged_row_is_left_out_alone_and_its_key_cannot_be_changed(store, column, value):
    await store.keys.add(key(1))
    await store.keys.add(key(2))
    if isinstance(value, float) and store.keys._database.is_sqlite:
        return  # SQLite keeps it as NULL
    async with store.keys._database.writing() as connection:
        await connection.execute(update(KEYS).where(KEYS.c.id == "key-1").values({column: value}))

    assert await store.keys.all() == ([key(2)], ["key-1"])
    for change in (store.keys.rotate("key-1", "f" * 64, 1.0), store.keys.revoke("key-1", 1.0)):
        with pytest.raises(DamagedKey, match="the row of the key 'key-1' is damaged"):
            await change


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("admin", "'perhaps'"),
        ("expires_at", "'soon'"),
        ("models", "X'5B5D'"),
        *(
            (name, "CAST(X'5BFF' AS TEXT)")
            for name in ("models", "allowance", "priority", "digest", "metadata")
        ),
    ],
)
async def test_sqlite_may_hold_values_of_another_type_which_damage_one_row_alone(tmp_path, column, value):
    async with opened(f"sqlite:///{tmp_path / 'test.db'}") as store:
        await store.keys.add(key(1))
        await store.keys.add(key(2))
        database = sqlite3.connect(tmp_path / "test.db")
        database.execute(f"UPDATE keys SET {column} = {value} WHERE id = 'key-1'")
        database.commit()
        database.close()

        assert await store.keys.all() == ([key(2)], ["key-1"])


async def test_an_id_that_is_no_text_is_told_as_far_as_it_can_be_read(tmp_path):
    async with opened(f"sqlite:///{tmp_path / 'test.db'}") as store:
        await store.keys.add(key(1))
        await store.keys.add(key(2))
        database = sqlite3.connect(tmp_path / "test.db")
        database.execute("UPDATE keys SET id = CAST(X'6BFF' AS TEXT) WHERE id = 'key-1'")
        database.commit()
        database.close()

        assert await store.keys.all() == ([key(2)], ["k\ufffd"])
