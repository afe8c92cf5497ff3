"""The ledger over a real database: what it adds up, and that nothing is lost or counted twice."""

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter

from app import ledger as ledgers
from app.contracts import Caller, Route
from app.errors import ClientLeft, UpstreamBroken
from app.journal import Attempt, Record
from app.ledger import Ledger
from app.operations import CHAT
from app.price_table import Price
from app.store.opening import opened
from app.store.usage import HOUR_SECONDS, MOST, Batch, Query, Row, Sums
from app.usage import Usage
from tests.support.waiting import eventually

HOUR = 1_800_000_000 // HOUR_SECONDS * HOUR_SECONDS
ROUTE = Route("twin", "twin/big", "words", "configured")
PRICE = Price.of(1, 2)
USED = Usage(10, 5)


def attempt(usage=USED, route=ROUTE, price: Price | None = PRICE):
    made = Attempt(route, "first")
    made.usage = usage
    made.charge(price)
    return made


def record(*attempts, caller="front", failure=None, at=HOUR + 7):
    made = Record("id", CHAT, perf_counter())
    made.wall = at
    made.caller = Caller(caller)
    made.attempts = [*attempts]
    if attempts:
        made.route, made.model = attempts[-1].route, attempts[-1].route.alias
    made.failure = failure
    return made


async def report(store, *by):
    return await store.usage.report(Query(HOUR, HOUR + 10 * HOUR_SECONDS, by))


async def test_calls_of_an_hour_are_one_sum(store):
    ledger = Ledger(store.usage, 60)
    for _ in range(3):
        ledger.read(record(attempt(Usage(10, 5, 4, 2, estimated=True))))
    assert ledger.unwritten == 3
    assert await ledger.flush()
    assert ledger.unwritten == 0
    assert await report(store, "key", "model", "upstream", "upstream_model", "operation", "outcome") == [
        (
            ("front", "words", "twin", "twin/big", "chat", "ok"),
            Sums(3, 3, 30, 15, 12, 6, 45, 0, 3 * (10 * 1000 + 5 * 2000)),
        )
    ]


async def test_each_attempt_counts_at_its_own_upstream_and_the_call_once(store):
    ledger = Ledger(store.usage, 60)
    other = Route("other", "small", "words", "fallback")
    ledger.read(record(attempt(Usage(10, 1)), attempt(Usage(10, 2)), attempt(Usage(10, 5), other)))
    await ledger.flush()
    assert await report(store, "upstream") == [
        (("other",), Sums(1, 1, 10, 5, nano_usd=20_000)),
        (("twin",), Sums(0, 2, 20, 3, nano_usd=26_000)),
    ]


async def test_how_a_call_ended_tells_its_sums_apart(store):
    ledger = Ledger(store.usage, 60)
    for failure in (None, ClientLeft("left"), UpstreamBroken("cut")):
        ledger.read(record(attempt(), failure=failure))
    ledger.read(record(failure=UpstreamBroken("none")))
    await ledger.flush()
    found = {values[0]: sums for values, sums in await report(store, "outcome")}
    assert {name: (sums.requests, sums.attempts) for name, sums in found.items()} == {
        "ok": (1, 1),
        "left": (1, 1),
        "failed": (2, 1),
    }


async def test_hours_are_kept_apart_by_when_the_call_came(store):
    ledger = Ledger(store.usage, 60)
    for at in (HOUR, HOUR + HOUR_SECONDS - 0.001, HOUR + HOUR_SECONDS):
        ledger.read(record(attempt(), at=at))
    await ledger.flush()
    assert [(values[0], sums.requests) for values, sums in await report(store, "hour")] == [
        (HOUR, 2),
        (HOUR + HOUR_SECONDS, 1),
    ]


async def test_a_call_of_nobody_is_nobodys_usage(store):
    ledger = Ledger(store.usage, 60)
    unknown = record(attempt())
    unknown.caller = None
    ledger.read(unknown)
    assert ledger.unwritten == 0


async def test_a_name_that_a_client_made_up_is_kept_only_where_it_was_answered(store):
    ledger = Ledger(store.usage, 60)
    for name, failure in (
        ("real", None),
        ("made-up", UpstreamBroken("404")),
        ("left", ClientLeft("left")),
        ("odd\x00name\ud800", None),
    ):
        ledger.read(record(attempt(route=Route("twin", name, "twin/*", "direct")), failure=failure))
    await ledger.flush()
    names = {values[0]: sums.requests for values, sums in await report(store, "upstream_model")}
    assert names == {"real": 1, "*": 3}


async def test_more_names_than_are_held_apart_are_one(store, monkeypatch):
    monkeypatch.setattr(ledgers, "MAX_LINES", 10)
    ledger = Ledger(store.usage, 60)
    for number in range(40):
        ledger.read(record(attempt(route=Route("twin", f"m{number}", "twin/*", "direct"))))
    assert len(ledger._sums) == 11
    await ledger.flush()
    assert sum(sums.requests for _, sums in await report(store, "upstream_model")) == 40


async def test_an_upstream_that_tells_impossible_numbers_does_not_stop_the_ledger(store):
    ledger = Ledger(store.usage, 60)
    fiction = record(attempt(Usage(2**53, 2**53, 2**53, 2**53), price=Price.of(1_000_000, 1_000_000)))
    for _ in range(3):
        for _ in range(5000):
            ledger.read(fiction)
        assert await ledger.flush()
    [(_, sums)] = await report(store)
    assert (sums.requests, sums.nano_usd) == (15_000, MOST)

    ledger.read(record(attempt(), caller="other"))
    assert await ledger.flush()
    assert [(values[0], sums.requests) for values, sums in await report(store, "key")] == [
        ("front", 15_000),
        ("other", 1),
    ]


async def test_sums_that_grew_too_large_while_the_database_was_gone_are_written(store):
    ledger = Ledger(store.usage, 60)
    for _ in range(10_000):
        ledger.read(record(attempt(Usage(2**53, 2**53), price=Price.of(1_000_000, 1_000_000))))
    assert await ledger.flush()
    [(_, sums)] = await report(store)
    assert (sums.requests, sums.nano_usd) == (10_000, MOST)


async def test_a_model_without_a_price_is_told_once_and_its_tokens_are_counted(store, caplog):
    ledger = Ledger(store.usage, 60)
    for _ in range(3):
        ledger.read(record(attempt(price=None)))
    ledger.read(record(attempt(Usage(), price=None)))
    await ledger.flush()
    assert [line.message for line in caplog.records if "no price" in line.message] == [
        (
            "no price is known of twin/twin/big: its calls are counted as costing nothing;"
            " set upstreams.twin.price, or the price of its model"
        )
    ]
    [(_, sums)] = await report(store)
    assert (sums.unpriced_tokens, sums.nano_usd) == (45, 0)


async def test_what_is_read_while_a_batch_is_written_comes_with_the_next(store):
    ledger = Ledger(store.usage, 60)
    ledger.read(record(attempt()))
    writing = asyncio.ensure_future(ledger.flush())
    while not writing.done():
        ledger.read(record(attempt()))
        await asyncio.sleep(0)
    total = ledger.unwritten
    [(_, sums)] = await report(store)
    await ledger.flush()
    [(_, after)] = await report(store)
    assert after.requests == sums.requests + total


async def test_a_batch_whose_commit_stayed_unknown_is_counted_once(store):
    """As when the connection breaks after the database has committed, and before it could say so."""
    ledger = Ledger(store.usage, 60)
    ledger.read(record(attempt()))
    batch = [*ledger._sums.items()]
    await store.usage.add(ledger._writer, ledger._sequence, batch)
    ledger._batch, ledger._sums = batch, {}
    ledger.read(record(attempt()))
    assert await ledger.flush()
    [(_, sums)] = await report(store)
    assert sums.requests == 2


async def test_a_flush_that_is_cancelled_anywhere_loses_nothing_and_counts_nothing_twice(store):
    ledger = Ledger(store.usage, 60)
    for turns in range(0, 60, 3):
        ledger.read(record(attempt()))
        writing = asyncio.ensure_future(ledger.flush())
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
    await ledger.close()
    [(_, sums)] = await report(store)
    assert sums.requests == 20


async def test_the_task_writes_as_often_as_it_is_told_to(store):
    told: list[int] = []
    ledger = Ledger(store.usage, 0.05, told.append)
    ledger.read(record(attempt()))
    writing = asyncio.ensure_future(ledger.keep())
    await eventually(lambda: bool(told), 5)
    writing.cancel()
    assert told[0] == 0
    assert (await report(store))[0][1].requests == 1


async def test_while_the_database_is_gone_usage_is_kept_and_told_once_a_minute(server, caplog):
    caplog.set_level(logging.WARNING)
    async with opened(server.database()) as store:
        told: list[int] = []
        ledger = Ledger(store.usage, 60, told.append)
        server.stop()
        try:
            for number in range(1, 4):
                ledger.read(record(attempt()))
                assert not await ledger.flush()
                assert ledger.failing
                assert ledger.unwritten == told[-1] == number
        finally:
            server.start()
        assert len([line for line in caplog.records if "usage cannot be written" in line.message]) == 1
        assert await ledger.flush()
        assert not ledger.failing
        assert "the database takes usage again" in caplog.messages
        assert (await report(store))[0][1].requests == 3


async def test_a_ledger_that_cannot_write_its_last_says_how_much_is_lost(server, caplog, monkeypatch):
    monkeypatch.setattr(ledgers, "LAST_SECONDS", 0.3)
    async with opened(server.database()) as store:
        ledger = Ledger(store.usage, 60)
        ledger.read(record(attempt()))
        server.stop()
        try:
            await ledger.close()
        finally:
            server.start()
    assert "the usage of 1 calls is lost: the database did not take it" in caplog.messages


def test_reading_a_record_takes_little_time():
    ledger = Ledger(Nowhere(), 60)
    one = record(attempt())
    begin = perf_counter()
    for _ in range(1000):
        ledger.read(one)
    each = (perf_counter() - begin) / 1000
    assert each < 0.0002, "it is 3 microseconds on a machine with nothing else to do"


class Nowhere:
    """A database that takes everything and keeps nothing."""

    async def add(self, writer: str, sequence: int, batch: Batch) -> None:
        return

    async def report(self, query: Query) -> Sequence[Row]:
        return ()
