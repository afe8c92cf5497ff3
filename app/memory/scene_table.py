"""The scenes in their tables."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.memory import admission
from app.memory.intake import Intake, trusts_of
from app.memory.memory import BOUNDS, MOST_HITS, Bounds, Hit, Source, Wanted, Way
from app.memory.removal import Removal, pages
from app.memory.rows import hashes_of, scene_of, told
from app.memory.vector_index import MOST_BYTES, VectorIndex
from app.memory.visibility import lasting, visible
from app.memory.word_index import word_index
from app.store.database import Database
from app.store.tables import SCENE_SOURCES, SCENE_VECTORS, SCENES, SOURCES, SUPERSESSIONS
from scenes.fusion import fused
from scenes.scene import Malformed, Scene, Trust

RANKED = MOST_HITS
"""Scenes of each ranking that are fused."""
AT_ONCE = 500
"""Scenes that are read, or deleted because their time is over, in one go."""

_log = logging.getLogger(__name__)


class SceneTable:
    """`app.memory.memory.Memory` on a database; `clock` gives seconds since 1970."""

    def __init__(
        self,
        database: Database,
        bounds: Bounds = BOUNDS,
        most_vector_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._bounds = bounds
        self._clock = clock
        self._words = word_index(database)
        self._vectors = VectorIndex(database, most_vector_bytes)
        self._intake = Intake(database, self._words, self._vectors, bounds)
        self._removal = Removal(self._words, self._vectors)

    async def put(self, scenes: Sequence[Scene], sources: Sequence[Source], *, numbered: bool = False) -> int:
        if not scenes and not sources:
            return 0
        tenant = admission.tenant_of(scenes)
        given = await asyncio.to_thread(admission.given, sources, scenes, self._bounds)
        named = frozenset[str]().union(*map(hashes_of, scenes))
        everything = {**await self._remembered(tenant, named - given.keys()), **given}
        made = await asyncio.to_thread(
            admission.ready, scenes, everything, self._words.told, self._bounds.source_bytes
        )
        async with self._database.writing() as connection:
            return await self._intake.take(connection, tenant, made, sources, numbered=numbered)

    async def answers(self) -> None:
        async with self._database.reading() as connection:
            await connection.execute(select(1))

    async def search(self, wanted: Wanted) -> Sequence[Hit]:
        admission.named(tenant=wanted.tenant, session=wanted.session)
        now = self._clock()
        async with self._database.reading() as connection:
            by_words = await self._words.ranked(connection, wanted, visible(wanted, now), RANKED)
            by_vector = await self._vectors.ranked(connection, wanted, now, RANKED)
            ways: Mapping[Way, Sequence[int]] = {"words": by_words, "vector": by_vector}
            scores = fused(ways.values())
            best = [*scores][: max(0, min(wanted.limit, MOST_HITS))]
            condition = and_(SCENES.c.number.in_(best), visible(wanted, now))
            scenes = await self._read(connection, wanted.tenant, condition)
        return [
            Hit(
                scenes[number], scores[number], tuple(way for way, ranked in ways.items() if number in ranked)
            )
            for number in best
            if number in scenes
        ]

    async def original(self, tenant: str, hash: str, start: int = 0, end: int | None = None) -> str | None:  # noqa: A002
        admission.named(tenant=tenant, hash=hash)
        users = select(SCENES.c.number).join(SCENE_SOURCES, SCENE_SOURCES.c.number == SCENES.c.number)
        users = users.where(SCENES.c.tenant == tenant, SCENE_SOURCES.c.hash == hash, lasting(self._clock()))
        wanted = select(SOURCES.c.text).where(
            SOURCES.c.tenant == tenant, SOURCES.c.hash == hash, users.exists()
        )
        async with self._database.reading() as connection:
            text = (await connection.execute(wanted)).scalar_one_or_none()
        return None if text is None else told(text)[max(start, 0) : end]

    async def trusts(self, tenant: str, hashes: Sequence[str]) -> Mapping[str, Trust]:
        admission.named(tenant=tenant)
        async with self._database.reading() as connection:
            return await trusts_of(connection, tenant, hashes)

    async def scene(self, tenant: str, id: str) -> Scene | None:  # noqa: A002
        admission.named(tenant=tenant, id=id)
        condition = and_(SCENES.c.id == id, lasting(self._clock()))
        async with self._database.reading() as connection:
            found = await self._read(connection, tenant, condition)
        return next(iter(found.values()), None)

    async def scenes(self, tenant: str, session: str) -> Sequence[Scene]:
        found, after = await self.page(tenant, session)
        told = [*found]
        while after:
            found, after = await self.page(tenant, session, after)
            told += found
        return told

    async def page(self, tenant: str, session: str, after: int = 0) -> tuple[Sequence[Scene], int]:
        admission.named(tenant=tenant, session=session)
        condition = and_(SCENES.c.session == session, SCENES.c.number > after, lasting(self._clock()))
        async with self._database.reading() as connection:
            found = await self._read(connection, tenant, condition, AT_ONCE)
        return [*found.values()], max(found, default=0)

    async def forget(self, tenant: str, session: str | None = None, id: str | None = None) -> int:  # noqa: A002
        if (session is None) is (id is None):
            raise ValueError("either a session is forgotten, or a scene")
        admission.named(tenant=tenant, session=session, id=id)
        column, name = (SCENES.c.id, id) if session is None else (SCENES.c.session, session)
        async with self._database.writing() as connection:
            count = await self._removal.remove(connection, tenant, column == name)
        await self._sweep()  # also where there was nothing: the time before, it may not have come so far
        return count

    async def expire(self, now: float) -> int:
        over = SCENES.c.expires <= now
        async with self._database.reading() as connection:
            tenants = (
                (await connection.execute(select(SCENES.c.tenant).where(over).distinct())).scalars().all()
            )
        count = 0
        for tenant in tenants:
            count += await self._expire(tenant, over)
        if count:
            await self._sweep()
        return count

    async def _expire(self, tenant: str, over: ColumnElement[bool]) -> int:
        count = 0
        while True:
            async with self._database.writing() as connection:
                removed = await self._removal.remove(connection, tenant, over, AT_ONCE)
            count += removed
            if removed < AT_ONCE:
                return count

    async def _sweep(self) -> None:
        await self._words.sweep(self._database)
        await self._database.scrub()

    async def _remembered(self, tenant: str, hashes: Collection[str]) -> Mapping[str, Source]:
        """Those of these texts that are kept, by hash."""
        found: dict[str, Source] = {}
        if not hashes:
            return found
        async with self._database.reading() as connection:
            for page in pages(sorted(hashes)):
                wanted = select(SOURCES.c.hash, SOURCES.c.text, SOURCES.c.trust)
                wanted = wanted.where(SOURCES.c.tenant == tenant, SOURCES.c.hash.in_(page))
                for name, text, trust in (await connection.execute(wanted)).all():
                    found[name] = Source(name, told(text), trust)
        return found

    async def _read(
        self,
        connection: AsyncConnection,
        tenant: str,
        condition: ColumnElement[bool],
        most: int | None = None,
    ) -> dict[int, Scene]:
        """The tenant's scenes of which the condition is true, in order; by number."""
        columns = (SCENES.c.number, SCENES.c.id, SCENES.c.line, SCENE_VECTORS.c.space, self._vectors.column)
        wanted = select(*columns).outerjoin(SCENE_VECTORS, SCENE_VECTORS.c.number == SCENES.c.number)
        wanted = wanted.where(SCENES.c.tenant == tenant, condition).order_by(SCENES.c.number).limit(most)
        rows = (await connection.execute(wanted)).all()
        ended = await _ended(connection, tenant, [row[1] for row in rows])
        return {
            row[0]: scene for row in rows if (scene := self._scene(row, ended.get(row[1], ()))) is not None
        }

    def _scene(self, row: Sequence[Any], ended: Sequence[str]) -> Scene | None:
        """None where another program, or another version, has written something else."""
        _, _, line, space, vector = row
        try:
            return scene_of(line, space, None if vector is None else self._vectors.halves(vector), ended)
        except Malformed:
            _log.warning("a scene in the database is damaged, and is passed over")
            return None


async def _ended(connection: AsyncConnection, tenant: str, ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The moments when others took the place of scenes, by their ids."""
    found: dict[str, list[str]] = {}
    for page in pages(ids):
        wanted = select(SUPERSESSIONS.c.id, SUPERSESSIONS.c.at)
        wanted = wanted.where(SUPERSESSIONS.c.tenant == tenant, SUPERSESSIONS.c.id.in_(page))
        for name, at in (await connection.execute(wanted)).all():
            found.setdefault(name, []).append(at)
    return found
