"""The usage in its table."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, case, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.database import Database, readable
from app.store.tables import BATCHES, USAGE
from app.store.usage import DAY_SECONDS, MAX_ROWS, MOST, SUMS, Batch, Column, Query, Row, Sums

REMEMBERED_SECONDS = 7 * DAY_SECONDS
"""How long the last batch of a writer that is gone is remembered."""
HALF = 2**32
"""Sums of rows are made in two halves, of what is above it and below it: together they may need more than 64 bits."""

_COLUMNS: Mapping[Column, ColumnElement[Any]] = {
    "key": USAGE.c.caller,
    "model": USAGE.c.model,
    "upstream": USAGE.c.upstream,
    "upstream_model": USAGE.c.upstream_model,
    "operation": USAGE.c.operation,
    "outcome": USAGE.c.outcome,
    "day": USAGE.c.hour - USAGE.c.hour % DAY_SECONDS,
    "hour": USAGE.c.hour,
}


class UsageTable:
    """`app.store.usage.Usage` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, writer: str, sequence: int, batch: Batch) -> None:
        async with self._database.writing() as connection:
            if await self._is_new(connection, writer, sequence):
                # in one order for all writers, so that none waits for another that waits for it
                rows = [line._asdict() | _held(sums) for line, sums in sorted(batch, key=_line)]
                await connection.execute(self._raised(), rows)

    async def report(self, query: Query) -> Sequence[Row]:
        columns = [_COLUMNS[name].label(f"by_{name}") for name in query.by]
        halves = [_sum(half) for name in SUMS for half in (USAGE.c[name] // HALF, USAGE.c[name] % HALF)]
        wanted = select(*columns, *halves).where(USAGE.c.hour >= query.start, USAGE.c.hour < query.end)
        if query.caller is not None:
            wanted = wanted.where(USAGE.c.caller == query.caller)
        if columns:
            wanted = wanted.group_by(*columns).order_by(*columns)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.limit(MAX_ROWS + 1))).all()
        return await asyncio.to_thread(_reported, rows, len(columns))

    async def _is_new(self, connection: AsyncConnection, writer: str, sequence: int) -> bool:
        """Whether this batch was not added before; from now on it was."""
        now = time.time()
        row = {"writer": writer, "sequence": sequence, "written_at": now}
        done = await connection.execute(
            self._database.insert(BATCHES).values(row).on_conflict_do_nothing(index_elements=_key(BATCHES))
        )
        if done.rowcount != 1:
            return False
        if sequence > 0:
            forgotten = delete(BATCHES).where(BATCHES.c.writer == writer, BATCHES.c.sequence < sequence)
        else:  # one that begins has written none before, and looks after those of writers that are gone
            forgotten = delete(BATCHES).where(BATCHES.c.written_at < now - REMEMBERED_SECONDS)
        await connection.execute(forgotten)
        return True

    def _raised(self) -> Any:
        """New rows as they are, others by so much more."""
        insert = self._database.insert(USAGE)
        return insert.on_conflict_do_update(
            index_elements=_key(USAGE),
            set_={name: _added(USAGE.c[name], insert.excluded[name]) for name in SUMS},
        )


def _added(held: ColumnElement[int], more: ColumnElement[int]) -> ColumnElement[int]:
    """Their sum, at most MOST, on the way to which no number is above it either: PostgreSQL would refuse the batch,
    and SQLite would go on with fractions.
    """
    return case((held > MOST - more, MOST), else_=held + more)


def _sum(column: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


def _held(sums: Sums) -> dict[str, Any]:
    """By name, as a row holds it."""
    return {name: min(getattr(sums, name), MOST) for name in SUMS}


def _reported(rows: Sequence[Any], columns: int) -> Sequence[Row]:
    """Rows of the table, which begin with so many columns; many of them take a while."""
    return [(tuple(map(_told, row[:columns])), _whole(row[columns:])) for row in rows]


def _told(value: Any) -> str | int:
    return value if isinstance(value, int) else readable(value)


def _whole(halves: Sequence[Any]) -> Sums:
    """The sums of their halves, each above before below."""
    whole = (int(above) * HALF + int(below) for above, below in zip(halves[::2], halves[1::2], strict=True))
    return Sums(*(min(each, MOST) for each in whole))


def _key(table: Table) -> Sequence[str]:
    return [column.name for column in table.primary_key]


def _line(each: tuple[Any, Sums]) -> Any:
    return each[0]
