"""The comparisons in their table."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.database import Database, readable
from app.store.shadows import KEPT_SECONDS, MOST_ROWS, Comparison, Side
from app.store.tables import SHADOWS

PRUNED_EVERY = 1000
"""Comparisons after which a writer looks for those that are too many or too old."""

_SIDES = ("own", "shadow")
_MEMBERS = [each.name for each in fields(Side)]
_COLUMNS = [column for column in SHADOWS.c if not column.name.endswith("_text")]


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
        wanted = select(*_COLUMNS).where(SHADOWS.c.at >= at).order_by(SHADOWS.c.at)
        if alias is not None:
            wanted = wanted.where(SHADOWS.c.alias == alias)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).mappings().all()
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


def _comparison(row: Mapping[Any, Any]) -> Comparison:
    told: dict[str, Any] = {
        str(name): readable(value) if isinstance(value, bytes) else value for name, value in row.items()
    }
    own, shadow = (
        Side(**{name: told.pop(f"{side}_{name}") for name in _MEMBERS if f"{side}_{name}" in told})
        for side in _SIDES
    )
    return Comparison(**told, own=own, shadow=shadow)
