"""Deletes scenes of a tenant, with all that came with them. Within a transaction of who asks."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.memory.vector_index import VectorIndex
from app.memory.word_index import WordIndex
from app.store.tables import PINS, SCENE_SOURCES, SCENES, SOURCES, SUPERSESSIONS, TENANTS

PAGE = 500
"""What a statement names at once."""

Item = TypeVar("Item")


def pages(items: Sequence[Item], size: int = PAGE) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Removal:
    """`remove` deletes the tenant's scenes that a condition is true of, and the texts that no other scene has."""

    def __init__(self, words: WordIndex, vectors: VectorIndex) -> None:
        self._words = words
        self._vectors = vectors

    async def remove(
        self,
        connection: AsyncConnection,
        tenant: str,
        condition: ColumnElement[bool],
        most: int | None = None,
    ) -> int:
        """Gives how many. The tenant's row is changed first, as by everybody."""
        raised = update(TENANTS).where(TENANTS.c.tenant == tenant).values(version=TENANTS.c.version + 1)
        await connection.execute(raised)
        wanted = select(SCENES.c.number, SCENES.c.bytes).where(SCENES.c.tenant == tenant, condition)
        rows = (await connection.execute(wanted.order_by(SCENES.c.number).limit(most))).all()
        freed = sum(size for _, size in rows)
        for page in pages([number for number, _ in rows]):
            freed += await self._page(connection, tenant, page)
        if rows:  # what was put beneath questions may be of these
            await connection.execute(delete(PINS).where(PINS.c.tenant == tenant))
        counts = {"scenes": TENANTS.c.scenes - len(rows), "bytes": TENANTS.c.bytes - freed}
        await connection.execute(update(TENANTS).where(TENANTS.c.tenant == tenant).values(counts))
        return len(rows)

    async def _page(self, connection: AsyncConnection, tenant: str, numbers: Sequence[int]) -> int:
        """Gives the bytes of the texts that went with them."""
        used = select(SCENE_SOURCES.c.hash).where(SCENE_SOURCES.c.number.in_(numbers)).distinct()
        hashes = (await connection.execute(used)).scalars().all()
        await self._words.remove(connection, numbers)
        await self._vectors.remove(connection, numbers)
        for table in (SCENE_SOURCES, SUPERSESSIONS, SCENES):
            await connection.execute(delete(table).where(table.c.number.in_(numbers)))
        freed = 0
        for page in pages(hashes):
            freed += await _unused(connection, tenant, page)
        return freed


async def _unused(connection: AsyncConnection, tenant: str, hashes: Sequence[str]) -> int:
    """Delete those of these texts that no scene has any more; gives their bytes."""
    users = and_(SCENE_SOURCES.c.tenant == SOURCES.c.tenant, SCENE_SOURCES.c.hash == SOURCES.c.hash)
    unused = and_(
        SOURCES.c.tenant == tenant,
        SOURCES.c.hash.in_(hashes),
        ~select(SCENE_SOURCES.c.number).where(users).exists(),
    )
    size = select(func.coalesce(func.sum(func.length(SOURCES.c.text)), 0)).where(unused)
    freed = int((await connection.execute(size)).scalar_one())
    await connection.execute(delete(SOURCES).where(unused))
    return freed
