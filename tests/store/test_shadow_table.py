"""The comparisons in the database: one suite for both kinds."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.store.database import Database
from app.store.faults import StoreUnavailable
from app.store.shadow_table import PRUNED_EVERY, ShadowTable
from app.store.shadows import KEPT_SECONDS, Comparison, Side

NOW = time.time()
OWN = Side("twin", "old", "ok", 0.25, 1.5, 10, 20, 3000, "stop", 5, "words")
OTHER = Side("twin", "new", "upstream_broken", None, None, 10, 0, None, None)
ONE = Comparison("a", NOW, "main", "chat", OWN, OTHER)
ALIKE = Comparison(
    "b", NOW + 1, "other", "chat", OWN, replace(OWN, model="new"), 0.75, same_json=True, same_calls=False
)


def without_text(comparison: Comparison) -> Comparison:
    return replace(
        comparison,
        own=replace(comparison.own, text=None),
        shadow=replace(comparison.shadow, text=None),
    )


async def count(store) -> int:
    async with store._database.reading() as connection:
        return (await connection.execute(text("SELECT count(*) FROM shadows"))).scalar_one()


async def test_what_is_added_is_found_without_its_texts(store):
    await store.shadows.add([ALIKE, ONE])
    assert await store.shadows.since(NOW - 5, None) == [without_text(ONE), without_text(ALIKE)]
    assert await store.shadows.since(NOW - 5, "other") == [without_text(ALIKE)]
    assert await store.shadows.since(NOW + 0.5, "main") == []


async def test_what_is_added_again_counts_once(store):
    for _ in range(3):
        await store.shadows.add([ONE])
    await store.shadows.add([ONE, ALIKE])
    assert await count(store) == 2


async def test_nothing_is_added_of_nothing(store):
    await store.shadows.add([])
    assert await count(store) == 0


async def test_a_text_that_no_database_holds_is_kept_all_the_same(store):
    odd = replace(ONE, own=replace(OWN, text="zero \0, half \ud800, whole \U0001f600"))
    await store.shadows.add([odd])
    async with store._database.reading() as connection:
        held = (await connection.execute(text("SELECT own_text FROM shadows"))).scalar_one()
    assert held == "zero , half ?, whole \U0001f600"


async def test_they_are_added_whole_or_not_at_all(store):
    broken = replace(ONE, id="z", operation=None)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        await store.shadows.add([ONE, broken])
    assert await count(store) == 0


async def test_old_ones_make_room(store):
    old = replace(ONE, id="old", at=NOW - KEPT_SECONDS - 5)
    await store.shadows.add([old, ONE])
    assert [each.id for each in await store.shadows.since(0, None)] == ["a"]


async def test_the_newest_are_kept(store, url):
    few = ShadowTable(Database(url), most_rows=3)
    await few.add([replace(ONE, id=str(number), at=NOW + number) for number in range(5)])
    assert [each.id for each in await few.since(0, None)] == ["2", "3", "4"]
    await few.add([replace(ONE, id="next", at=NOW + 9)])
    assert await count(store) == 4
    more = [replace(ONE, id=f"more{number}", at=NOW + 10) for number in range(PRUNED_EVERY)]
    await few.add([*more, *(replace(ONE, id=f"last{number}", at=NOW + 20 + number) for number in range(3))])
    assert [each.id for each in await few.since(0, None)] == ["last0", "last1", "last2"]
    await few._database.close()
