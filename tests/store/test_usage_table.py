"""The usage in the database: one suite for both kinds."""

import asyncio

import pytest
from sqlalchemy import text

from app.store.faults import StoreUnavailable
from app.store.opening import opened
from app.store.usage import DAY_SECONDS, HOUR_SECONDS, MAX_ROWS, MOST, Column, Line, Query, Sums

DAY = 1_800_000_000 // DAY_SECONDS * DAY_SECONDS
LINE = Line(DAY, "front", "words", "twin", "twin", "chat", "ok")
ONE = Sums(1, 2, 3, 4, 5, 6, 7, 8, 9)


def query(*by, caller=None, start=DAY, end=DAY + DAY_SECONDS):
    return Query(start, end, by, caller)


async def test_what_is_added_is_summed_up(store):
    await store.usage.add("a", 0, [(LINE, ONE)])
    await store.usage.add("a", 1, [(LINE, ONE), (LINE._replace(model="other"), ONE)])
    await store.usage.add("b", 0, [(LINE, ONE)])
    assert await store.usage.report(query("model")) == [
        (("other",), ONE),
        (("words",), Sums(3, 6, 9, 12, 15, 18, 21, 24, 27)),
    ]


async def test_a_batch_that_is_added_again_counts_once(store):
    for _ in range(3):
        await store.usage.add("a", 0, [(LINE, ONE)])
    assert await store.usage.report(query()) == [((), ONE)]


async def test_of_each_writer_only_the_last_batch_is_remembered(store):
    for sequence in range(5):
        await store.usage.add("a", sequence, [(LINE, ONE)])
        await store.usage.add("b", sequence, [(LINE, ONE)])
    async with store._database.reading() as connection:
        rows = (await connection.execute(text("SELECT writer, sequence FROM batches ORDER BY writer"))).all()
    assert [tuple(row) for row in rows] == [("a", 4), ("b", 4)]


async def test_a_batch_is_added_whole_or_not_at_all(store):
    broken = LINE._replace(model="z", operation=None)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        await store.usage.add("a", 0, [(LINE, ONE), (broken, ONE)])
    assert await store.usage.report(query()) == [((), Sums())]
    await store.usage.add("a", 0, [(LINE, ONE)])
    assert await store.usage.report(query()) == [((), ONE)]


async def test_writers_with_the_same_rows_do_not_lock_each_other_out(url):
    lines = [LINE._replace(model=f"m{number}") for number in range(50)]

    async def write(writer: str) -> None:
        async with opened(url) as store:
            for sequence in range(5):
                order = lines if sequence % 2 else lines[::-1]
                await store.usage.add(writer, sequence, [(line, ONE) for line in order])

    async with opened(url) as store:
        await asyncio.gather(*(write(f"w{number}") for number in range(4)))
        [(_, total)] = await store.usage.report(query())
    assert total.requests == 4 * 5 * 50


async def test_every_column_tells_rows_apart(store):
    other = Line(DAY + HOUR_SECONDS, "b", "b", "b", "b", "b", "failed")
    await store.usage.add("a", 0, [(LINE, ONE), (other, ONE)])
    columns: dict[Column, list] = {
        "key": ["b", "front"],
        "model": ["b", "words"],
        "upstream": ["b", "twin"],
        "upstream_model": ["b", "twin"],
        "operation": ["b", "chat"],
        "outcome": ["failed", "ok"],
        "hour": [DAY, DAY + HOUR_SECONDS],
    }
    for column, values in columns.items():
        assert await store.usage.report(query(column)) == [((value,), ONE) for value in values]
    [((day,), _)] = await store.usage.report(query("day"))
    assert day == DAY
    assert await store.usage.report(query("day", "key")) == [((DAY, "b"), ONE), ((DAY, "front"), ONE)]


async def test_hours_outside_and_other_callers_are_left_out(store):
    hours = [DAY - HOUR_SECONDS, DAY, DAY + DAY_SECONDS - HOUR_SECONDS, DAY + DAY_SECONDS]
    await store.usage.add("a", 0, [(LINE._replace(hour=hour), ONE) for hour in hours])
    await store.usage.add("a", 1, [(LINE._replace(caller="other"), ONE)])
    assert [values for values, _ in await store.usage.report(query("hour", caller="front"))] == [
        (DAY,),
        (DAY + DAY_SECONDS - HOUR_SECONDS,),
    ]
    assert await store.usage.report(query("key", caller="other")) == [(("other",), ONE)]
    assert await store.usage.report(query("key", caller="nobody")) == []


async def test_sums_hold_what_sixty_four_bits_hold(store):
    much = Sums(1, 1, *([4 * 10**18] * 7))
    await store.usage.add("a", 0, [(LINE, much)])
    await store.usage.add("a", 1, [(LINE, much)])
    assert (await store.usage.report(query()))[0][1].nano_usd == 8 * 10**18


async def test_a_sum_that_would_need_more_stays_at_what_they_hold(store):
    await store.usage.add("a", 0, [(LINE, Sums(1, 2**70))])
    await store.usage.add("a", 1, [(LINE, Sums(1, MOST)), (LINE._replace(model="other"), Sums(1, MOST - 1))])
    assert await store.usage.report(query("model")) == [
        (("other",), Sums(1, MOST - 1)),
        (("words",), Sums(2, MOST)),
    ]
    assert await store.usage.report(query()) == [((), Sums(3, MOST))]


async def test_sums_of_many_rows_are_exact(store):
    amounts = [2**61 + 1, 2**61 + 3, 2**32, 2**32 - 1, 1]
    lines = [(LINE._replace(model=f"m{number}"), Sums(1, amount)) for number, amount in enumerate(amounts)]
    await store.usage.add("a", 0, lines)
    assert await store.usage.report(query()) == [((), Sums(5, sum(amounts)))]


async def test_a_report_has_an_end(store):
    lines = [(LINE._replace(model=f"m{number}"), ONE) for number in range(MAX_ROWS + 10)]
    await store.usage.add("a", 0, lines)
    assert len(await store.usage.report(query("model"))) == MAX_ROWS + 1


async def test_a_name_that_is_no_utf_8_is_told_with_marks(tmp_path):
    async with opened(f"sqlite:///{tmp_path / 'test.db'}") as store:
        await store.usage.add("a", 0, [(LINE, ONE)])
        async with store._database.writing() as connection:
            await connection.execute(text("UPDATE usage SET model = CAST(X'6BFF' AS TEXT)"))

        assert await store.usage.report(query("model", "hour")) == [(("k\ufffd", DAY), ONE)]
