"""What scenes are found by: their vectors, compared one by one with the question's.

In PostgreSQL with pgvector the database compares them. Else each worker does: it reads a tenant's vectors once, holds
them within a bound, and reads only those that are new as long as the tenant's version says that the others are as they
were.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Double, Select, Text, bindparam, cast, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import UserDefinedType

from app.memory.memory import Wanted
from app.memory.rows import Floats, floats, space_of
from app.memory.visibility import hidden, visible
from app.store.database import Database
from app.store.tables import SCENE_VECTORS, SCENES, TENANTS
from scenes.scene import Scene

MOST_BYTES = 256 << 20
"""Of vectors that a worker holds."""
PAGE = 4096
"""Vectors that are read at once, where there are more of them than may be held."""
MOST_PARTS = 16
_ARRAY_HEAD = 20
_ARRAY = np.dtype([("size", ">i4"), ("value", ">f4")])
"""How PostgreSQL sends an array of real: after its head each number with its length in bytes."""

Numbers = npt.NDArray[np.int64]
Part = tuple[Numbers, Floats]
"""Numbers of scenes (n), rising, and their vectors (n, dimension)."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A tenant's vectors of one space, as they were at a version."""

    version: int
    parts: tuple[Part, ...] = ()

    @property
    def newest(self) -> int:
        return int(self.parts[-1][0][-1]) if self.parts else 0

    @property
    def bytes(self) -> int:
        return sum(numbers.nbytes + vectors.nbytes for numbers, vectors in self.parts)

    def with_part(self, part: Part) -> "Shelf":
        parts = (*self.parts, part)
        if len(parts) > MOST_PARTS:
            numbers, vectors = zip(*parts, strict=True)
            parts = ((np.concatenate(numbers), np.concatenate(vectors)),)
        return Shelf(self.version, parts)


class Shelves:
    """What a worker holds of vectors; what was asked for last stays longest."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[str, str], Shelf] = OrderedDict()

    @property
    def bytes(self) -> int:
        return sum(shelf.bytes for shelf in self._held.values())

    def take(self, key: tuple[str, str], version: int) -> Shelf:
        """The tenant's, if it is of this version; else an empty one."""
        found = self._held.get(key)
        return found if found is not None and found.version == version else Shelf(version)

    def holds(self, more_bytes: int) -> bool:
        return more_bytes <= self._most_bytes

    def put(self, key: tuple[str, str], shelf: Shelf) -> None:
        self._held[key] = shelf
        self._held.move_to_end(key)
        while self.bytes > self._most_bytes:
            self._held.popitem(last=False)


class VectorIndex:
    """Within transactions of who asks."""

    def __init__(self, database: Database, most_bytes: int = MOST_BYTES) -> None:
        self._is_sqlite = database.is_sqlite
        self._has_pgvector: bool | None = False if self._is_sqlite else None
        self.shelves = Shelves(most_bytes)

    @property
    def column(self) -> ColumnElement[Any]:
        """A vector as `halves` reads it."""
        column = SCENE_VECTORS.c.vector
        return column if self._is_sqlite else func.array_send(column)

    def halves(self, told: bytes) -> bytes:
        """A vector as scenes have it."""
        return told if self._is_sqlite else _values(told).astype("<f2").tobytes()

    async def add(self, connection: AsyncConnection, scenes: Mapping[int, Scene]) -> None:
        """The vectors of those that have one, by number."""
        rows = [self._row(number, scene) for number, scene in scenes.items() if scene.vector is not None]
        if rows:
            await connection.execute(SCENE_VECTORS.insert(), rows)

    async def remove(self, connection: AsyncConnection, numbers: Sequence[int]) -> None:
        await connection.execute(delete(SCENE_VECTORS).where(SCENE_VECTORS.c.number.in_(numbers)))

    async def ranked(
        self, connection: AsyncConnection, wanted: Wanted, now: float, most: int
    ) -> Sequence[int]:
        """The numbers of the visible scenes whose vectors are on the question's side of all, the nearest first."""
        if wanted.vector is None or wanted.encoder is None:
            return ()
        if self._has_pgvector is None:
            self._has_pgvector = bool((await connection.execute(_PGVECTOR)).scalar_one())
        if self._has_pgvector:
            found: Sequence[int] = (await connection.execute(_compared(wanted, now, most))).scalars().all()
            return found
        numbers, scores = await self._scored(connection, wanted)
        numbers, scores = await _seen(connection, wanted, now, (numbers, scores))
        return await asyncio.to_thread(_best, numbers, scores, most)

    def _row(self, number: int, scene: Scene) -> dict[str, Any]:
        assert scene.vector is not None
        assert scene.encoder is not None
        space = space_of(scene.encoder, scene.vector)
        vector: Any = scene.vector
        if not self._is_sqlite:
            vector = floats([scene.vector], len(scene.vector) // 2)[0].tolist()
        return {"number": number, "tenant": scene.tenant, "space": space, "vector": vector}

    async def _scored(self, connection: AsyncConnection, wanted: Wanted) -> tuple[Numbers, Floats]:
        """All of the tenant's in the question's space, by number, with how near they are."""
        assert wanted.vector is not None
        dimension = len(wanted.vector) // 2
        question = floats([wanted.vector], dimension)[0]
        found: list[tuple[Numbers, Floats]] = []
        async for parts in self._parts(connection, wanted, dimension):
            found += await asyncio.to_thread(_nearness, parts, question)
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        numbers, scores = zip(*found, strict=True)
        return np.concatenate(numbers), np.concatenate(scores)

    async def _parts(
        self, connection: AsyncConnection, wanted: Wanted, dimension: int
    ) -> AsyncIterator[Sequence[Part]]:
        """What is held, brought up to date; page by page where that is too much to hold."""
        assert wanted.encoder is not None
        assert wanted.vector is not None
        key = (wanted.tenant, space_of(wanted.encoder, wanted.vector))
        version = await _version(connection, wanted.tenant)
        shelf = self.shelves.take(key, version)
        fresh = (await connection.execute(_counted(key, shelf.newest))).scalar_one()
        if self.shelves.holds(shelf.bytes + fresh * (4 * dimension + 8)):
            if fresh:
                shelf = shelf.with_part(await self._read(connection, key, shelf.newest, fresh))
            self.shelves.put(key, shelf)
            yield shelf.parts
            return
        newest = 0
        while (part := await self._read(connection, key, newest, PAGE))[0].size:
            yield [part]
            newest = int(part[0][-1])

    async def _read(self, connection: AsyncConnection, key: tuple[str, str], after: int, most: int) -> Part:
        wanted = _of(key, after, SCENE_VECTORS.c.number, self.column).order_by(SCENE_VECTORS.c.number)
        rows = (await connection.execute(wanted.limit(most))).all()
        return await asyncio.to_thread(self._part, rows, int(key[1].rpartition("/")[2]))

    def _part(self, rows: Sequence[Any], dimension: int) -> Part:
        numbers = np.fromiter((number for number, _ in rows), np.int64, len(rows))
        if self._is_sqlite:
            return numbers, floats((vector for _, vector in rows), dimension)
        vectors = [_values(vector) for _, vector in rows]
        return numbers, np.array(vectors, np.float32).reshape(-1, dimension)


_PGVECTOR = text("SELECT to_regtype('vector') IS NOT NULL")


class _Vector(UserDefinedType[Any]):
    """pgvector's."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "vector"


def _compared(wanted: Wanted, now: float, most: int) -> Select[Any]:
    """By pgvector; `<#>` is the inner product times -1. It says so of what it reads, and uses an index where there is one."""
    assert wanted.vector is not None
    assert wanted.encoder is not None
    question = floats([wanted.vector], len(wanted.vector) // 2)[0].tolist()
    written = bindparam(None, f"[{','.join(map(str, question))}]", type_=Text)
    told = select(
        cast(written, _Vector)
    ).scalar_subquery()  # read once: a plan that knows no values reads it for each row
    distance: ColumnElement[float] = cast(SCENE_VECTORS.c.vector, _Vector).op("<#>", return_type=Double())(
        told
    )
    here = select(SCENE_VECTORS.c.number).join(SCENES, SCENES.c.number == SCENE_VECTORS.c.number)
    here = here.where(
        SCENE_VECTORS.c.tenant == wanted.tenant,
        SCENE_VECTORS.c.space == space_of(wanted.encoder, wanted.vector),
        visible(wanted, now),
        distance < 0,
    )
    return here.order_by(distance, SCENE_VECTORS.c.number.desc()).limit(most)


async def _version(connection: AsyncConnection, tenant: str) -> int:
    found = await connection.execute(select(TENANTS.c.version).where(TENANTS.c.tenant == tenant))
    return found.scalar_one_or_none() or 0


def _of(key: tuple[str, str], after: int, *columns: ColumnElement[Any]) -> Select[Any]:
    tenant, space = key
    return select(*columns).where(
        SCENE_VECTORS.c.tenant == tenant, SCENE_VECTORS.c.space == space, SCENE_VECTORS.c.number > after
    )


def _counted(key: tuple[str, str], after: int) -> Select[Any]:
    return _of(key, after, func.count())


async def _seen(
    connection: AsyncConnection, wanted: Wanted, now: float, scored: tuple[Numbers, Floats]
) -> tuple[Numbers, Floats]:
    """Those that may be seen."""
    numbers, scores = scored
    narrow = wanted.session is not None or wanted.kinds is not None
    statement = select(SCENES.c.number).where(visible(wanted, now)) if narrow else hidden(wanted, now)
    named = np.array((await connection.execute(statement)).scalars().all(), np.int64)
    kept = np.isin(numbers, named, assume_unique=True, invert=not narrow)
    return numbers[kept], scores[kept]


def _nearness(parts: Sequence[Part], question: Floats) -> Sequence[tuple[Numbers, Floats]]:
    return [(numbers, vectors @ question) for numbers, vectors in parts]


def _best(numbers: Numbers, scores: Floats, most: int) -> Sequence[int]:
    """The nearest first, of equal ones the newest."""
    near = np.flatnonzero(scores > 0)
    if near.size > most:
        least = np.partition(scores[near], near.size - most)[near.size - most]
        near = near[scores[near] >= least]
    order = np.lexsort((-numbers[near], -scores[near]))[:most]
    return [int(number) for number in numbers[near][order]]


def _values(told: bytes) -> npt.NDArray[np.float32]:
    return np.frombuffer(told, _ARRAY, offset=_ARRAY_HEAD)["value"].astype(np.float32)
