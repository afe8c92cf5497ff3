"""Writes scenes of a tenant, with what they were made from. Within a transaction of who asks."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import BadRequest, MemoryFull
from app.memory.admission import TRUST, trust_of
from app.memory.memory import Bounds, Source
from app.memory.removal import pages
from app.memory.rows import Ready, held
from app.memory.vector_index import VectorIndex
from app.memory.word_index import WordIndex
from app.store.database import Database
from app.store.tables import SCENE_SOURCES, SCENE_VECTORS, SCENES, SOURCES, SUPERSESSIONS, TENANTS
from scenes.scene import Trust


class Intake:
    """`take` keeps what is not kept yet."""

    def __init__(self, database: Database, words: WordIndex, vectors: VectorIndex, bounds: Bounds) -> None:
        self._database = database
        self._words = words
        self._vectors = vectors
        self._bounds = bounds

    async def take(
        self, connection: AsyncConnection, tenant: str, made: Sequence[Ready], sources: Sequence[Source]
    ) -> int:
        """Gives how many scenes are new. Raises MemoryFull, and BadRequest where a text was forgotten meanwhile."""
        scenes, size = await self._tenant(connection, tenant)
        known = await _numbers(connection, tenant, [each.scene.id for each in made])
        fresh = [each for each in made if each.scene.id not in known]
        added = sum(each.bytes for each in fresh)
        added += await _texts(connection, tenant, sources)
        added += await self._late_vectors(connection, tenant, made, known)
        await _complete(connection, tenant, fresh)
        self._fits(scenes + len(fresh), size + added)
        await self._scenes(connection, tenant, fresh)
        counts = {"scenes": TENANTS.c.scenes + len(fresh), "bytes": TENANTS.c.bytes + added}
        await connection.execute(update(TENANTS).where(TENANTS.c.tenant == tenant).values(counts))
        return len(fresh)

    def _fits(self, scenes: int, size: int) -> None:
        if scenes > self._bounds.scenes:
            raise MemoryFull(
                f"The memory holds {self._bounds.scenes} scenes of one tenant, and these would be {scenes}: delete some."
            )
        if size > self._bounds.bytes:
            raise MemoryFull(
                f"The memory holds {self._bounds.bytes} bytes of one tenant, and these would be {size}: delete some."
            )

    async def _tenant(self, connection: AsyncConnection, tenant: str) -> tuple[int, int]:
        """Its scenes and bytes, and nobody else changes them before the transaction's end."""
        row = {"tenant": tenant, "version": 0, "scenes": 0, "bytes": 0}
        insert = self._database.insert(TENANTS).values(row)
        taken = insert.on_conflict_do_update(
            index_elements=["tenant"], set_={"tenant": insert.excluded.tenant}
        )
        scenes, size = (await connection.execute(taken.returning(TENANTS.c.scenes, TENANTS.c.bytes))).one()
        return scenes, size

    async def _late_vectors(
        self, connection: AsyncConnection, tenant: str, made: Sequence[Ready], known: Mapping[str, int]
    ) -> int:
        """Those of scenes that were kept without one; gives their bytes."""
        late = {
            known[each.scene.id]: each.scene for each in made if each.scene.vector and each.scene.id in known
        }
        for page in pages([*late]):
            have = select(SCENE_VECTORS.c.number).where(SCENE_VECTORS.c.number.in_(page))
            for number in (await connection.execute(have)).scalars():
                del late[number]
        if not late:
            return 0
        await self._vectors.add(connection, late)
        for number, scene in late.items():
            size = SCENES.c.bytes + len(scene.vector or b"")
            await connection.execute(update(SCENES).where(SCENES.c.number == number).values(bytes=size))
        raised = update(TENANTS).where(TENANTS.c.tenant == tenant).values(version=TENANTS.c.version + 1)
        await connection.execute(raised)  # they come before the newest, where no worker looks for new ones
        return sum(len(scene.vector or b"") for scene in late.values())

    async def _scenes(self, connection: AsyncConnection, tenant: str, fresh: Sequence[Ready]) -> None:
        if not fresh:
            return
        await connection.execute(SCENES.insert(), [each.row() for each in fresh])
        numbers = await _numbers(connection, tenant, [each.scene.id for each in fresh])
        numbered = [(numbers[each.scene.id], each) for each in fresh]
        await self._words.add(connection, {number: each.words for number, each in numbered})
        await self._vectors.add(connection, {number: each.scene for number, each in numbered})
        for table, rows in ((SCENE_SOURCES, _sources(numbered)), (SUPERSESSIONS, _supersessions(numbered))):
            if found := [*rows]:
                await connection.execute(table.insert(), found)


def _sources(numbered: Iterable[tuple[int, Ready]]) -> Iterable[dict[str, Any]]:
    for number, each in numbered:
        for name in sorted(each.hashes):
            yield {"number": number, "tenant": each.scene.tenant, "hash": name}


def _supersessions(numbered: Iterable[tuple[int, Ready]]) -> Iterable[dict[str, Any]]:
    for number, each in numbered:
        others = {link.to for link in each.scene.links if link.relation == "supersedes"} - {each.scene.id}
        for other in sorted(others):
            yield {"number": number, "tenant": each.scene.tenant, "id": other, "at": each.scene.created}


async def _numbers(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> dict[str, int]:
    """Of those scenes that are there, by id."""
    found: dict[str, int] = {}
    for page in pages(ids):
        wanted = select(SCENES.c.id, SCENES.c.number).where(SCENES.c.tenant == tenant, SCENES.c.id.in_(page))
        found |= dict(tuple(row) for row in (await connection.execute(wanted)).all())
    return found


async def _texts(connection: AsyncConnection, tenant: str, sources: Sequence[Source]) -> int:
    """Keep those that are not there, and believe none more than who is believed least of those who said it.

    Gives the bytes that came.
    """
    least = {source.hash: source for source in sorted(sources, key=trust_of, reverse=True)}
    there = await _trusts(connection, tenant, [*least])
    for name, trust in there.items():
        if trust_of(least[name]) < TRUST.index(trust):
            row = (SOURCES.c.tenant == tenant) & (SOURCES.c.hash == name)
            await connection.execute(update(SOURCES).where(row).values(trust=least[name].trust))
    rows = [
        {"tenant": tenant, "hash": name, "trust": source.trust, "text": held(source)}
        for name, source in least.items()
        if name not in there
    ]
    if rows:
        await connection.execute(SOURCES.insert(), rows)
    return sum(len(row["text"]) for row in rows)


async def _trusts(connection: AsyncConnection, tenant: str, hashes: Collection[str]) -> Mapping[str, Trust]:
    """Of those texts that are there, by hash."""
    found: dict[str, Trust] = {}
    for page in pages([*hashes]):
        wanted = select(SOURCES.c.hash, SOURCES.c.trust).where(
            SOURCES.c.tenant == tenant, SOURCES.c.hash.in_(page)
        )
        found |= dict(tuple(row) for row in (await connection.execute(wanted)).all())
    return found


async def _complete(connection: AsyncConnection, tenant: str, fresh: Sequence[Ready]) -> None:
    """Raises BadRequest where a text that was there a moment ago was forgotten."""
    named = frozenset().union(*(each.hashes for each in fresh))
    if named - (await _trusts(connection, tenant, named)).keys():
        raise BadRequest("A scene was made from a text that is neither given nor remembered.")
