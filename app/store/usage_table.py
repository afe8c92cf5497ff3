"""The usage in its table."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.database import Database
from app.store.tables import BATCHES, USAGE
from app.store.usage import DAY_SECONDS, MAX_ROWS, SUMS, Batch, Column, Query, Row, Sums

REMEMBERED_SECONDS = 7 * DAY_SECONDS
"""How long the last batch of a writer that is gone is remembered."""

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
                rows = [line._asdict() | asdict(sums) for line, sums in sorted(batch, key=_line)]
                await connection.execute(self._raised(), rows)

    async def report(self, query: Query) -> Sequence[Row]:
        columns = [_COLUMNS[name].label(f"by_{name}") for name in query.by]
        sums = [func.coalesce(func.sum(USAGE.c[name]), 0) for name in SUMS]
        wanted = select(*columns, *sums).where(USAGE.c.hour >= query.start, USAGE.c.hour < query.end)
        if query.caller is not None:
            wanted = wanted.where(USAGE.c.caller == query.caller)
        if columns:
            wanted = wanted.group_by(*columns).order_by(*columns)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted.limit(MAX_ROWS + 1))).all()
        return [(tuple(row[: len(columns)]), Sums(*map(int, row[len(columns) :]))) for row in rows]

    async def _is_new(self, connection: AsyncConnection, writer: str, sequence: int) -> bool:
        """Whether this batch was not added before; from now on it was."""
        now = time.time()
        row = {"writer": writer, "sequence": sequence, "written_at": now}
        done = await connection.execute(
            self._database.insert(BATCHES).values(row).on_conflict_do_nothing(index_elements=[*row][:2])
        )
        if done.rowcount != 1:
            return False
        mine = (BATCHES.c.writer == writer) & (BATCHES.c.sequence < sequence)
        old = BATCHES.c.written_at < now - REMEMBERED_SECONDS
        await connection.execute(delete(BATCHES).where(mine if sequence else old))
        return True

    def _raised(self) -> Any:
        """New rows as they are, others by so much more."""
        insert = self._database.insert(USAGE)
        return insert.on_conflict_do_update(
            index_elements=[column.name for column in USAGE.primary_key],
            set_={name: USAGE.c[name] + insert.excluded[name] for name in SUMS},
        )


def _line(each: tuple[Any, Sums]) -> Any:
    return each[0]
