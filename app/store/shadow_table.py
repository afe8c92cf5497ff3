"""The comparisons in their table."""

import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.database import Database, readable
from app.store.shadows import KEPT_SECONDS, MOST_ROWS, Comparison, Side
from app.store.tables import SHADOWS

PRUNED_EVERY = 1000
"""Comparisons after which a writer looks for those that are too many or too old."""
PAGE = 20_000
"""Rows that are asked for at once: a database has to answer within seconds."""

_SIDES = ("own", "shadow")
_MEMBERS = [each.name for each in fields(Side) if each.name != "text"]
_HEAD = ("id", "at", "alias", "operation")
_TAIL = ("similarity", "same_json", "same_calls")
_COLUMNS = [
    SHADOWS.c[name] for name in (*_HEAD, *(f"{side}_{name}" for side in _SIDES for name in _MEMBERS), *_TAIL)
]
"""In the order of the values' members."""
_OWN = len(_HEAD)
_SHADOW = _OWN + len(_MEMBERS)
_END = _SHADOW + len(_MEMBERS)


class ShadowTable:
    """`app.store.shadows.Shadows` on a database."""

    def __init__(self, database: Database, most_rows: int = MOST_ROWS) -> None:
        self._database = database
        self._most_rows = most_rows
        self._unpruned = PRUNED_EVERY

    async def add(self, comparisons: Sequence[Comparison]) -> None:
        if not comparisons:
            return
        added = self._database.insert(SHADOWS).on_conflict_do_nothing(index_elements=["id"])
        unpruned = self._unpruned + len(comparisons)
        async with self._database.writing() as connection:
            await connection.execute(added, [_row(each) for each in comparisons])
            if unpruned > PRUNED_EVERY:
                await self._prune(connection)
                unpruned = 0
        self._unpruned = unpruned

    async def since(self, at: float, alias: str | None) -> Sequence[Comparison]:
        wanted = select(*_COLUMNS).where(SHADOWS.c.at >= at).order_by(SHADOWS.c.at, SHADOWS.c.id)
        if alias is not None:
            wanted = wanted.where(SHADOWS.c.alias == alias)
        async with self._database.reading() as connection:
            rows: list[Row[Any]] = []
            while page := (await connection.execute(wanted.limit(PAGE).offset(len(rows)))).all():
                rows += page
        return [_comparison(row) for row in rows]

    async def _prune(self, connection: AsyncConnection) -> None:
        newest = select(SHADOWS.c.at).order_by(SHADOWS.c.at.desc()).offset(self._most_rows).limit(1)
        too_many = (await connection.execute(newest)).scalar_one_or_none() or 0.0
        before = max(too_many, time.time() - KEPT_SECONDS)
        await connection.execute(delete(SHADOWS).where(SHADOWS.c.at <= before))


def _row(comparison: Comparison) -> dict[str, Any]:
    row = asdict(comparison)
    for side in _SIDES:
        row |= {f"{side}_{name}": _held(value) for name, value in row.pop(side).items()}
    return row


def _held(value: Any) -> Any:
    """As both kinds of database take it: PostgreSQL has no text with zeros, and none holds half a character."""
    return value.replace("\0", "").encode(errors="replace").decode() if isinstance(value, str) else value


def _comparison(row: Sequence[Any]) -> Comparison:
    told: list[Any] = [readable(value) if isinstance(value, bytes) else value for value in row]
    sides: list[Any] = [Side(*told[_OWN:_SHADOW]), Side(*told[_SHADOW:_END])]
    return Comparison(*told[:_OWN], *sides, *told[_END:])
