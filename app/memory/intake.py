"""Writes scenes of a tenant, with what they were made from. Within a transaction of who asks."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from sqlalchemy import delete, select, update
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
from scenes.scene import DELTA, Malformed, Trust, read


class Intake:
    """`take` keeps what is not kept yet."""

    def __init__(self, database: Database, words: WordIndex, vectors: VectorIndex, bounds: Bounds) -> None:
        self._database = database
        self._words = words
        self._vectors = vectors
        self._bounds = bounds

    async def take(
        self,
        connection: AsyncConnection,
        tenant: str,
        made: Sequence[Ready],
        sources: Sequence[Source],
        *,
        numbered: bool,
    ) -> int:
        """Gives how many scenes are new. Raises MemoryFull, and BadRequest where a text was forgotten meanwhile.

        Where they shall be `numbered`, each new one is the next of its session, whoever keeps others at the same time.
        """
        scenes, size = await self._tenant(connection, tenant)
        known = await _numbers(connection, tenant, [each.scene.id for each in made])
        fresh = [each for each in made if each.scene.id not in known]
        if numbered:
            fresh = await _numbered(connection, tenant, fresh)
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
                f"The memory holds {self._bounds.scenes} scenes of one tenant, and these would be {scenes}: delete some, or raise store.memory.most_scenes."
            )
        if size > self._bounds.bytes:
            raise MemoryFull(
                f"The memory holds {self._bounds.bytes} bytes of one tenant, and these would be {size}: delete some, or raise store.memory.most_bytes."
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
        await connection.execute(SCENE_SOURCES.insert(), [*_sources(numbered)])
        if ended := await _supersessions(connection, numbered):
            await connection.execute(SUPERSESSIONS.insert(), ended)
        await _restore(connection, numbered)


async def _numbered(connection: AsyncConnection, tenant: str, fresh: Sequence[Ready]) -> list[Ready]:
    """The same with the next numbers of their sessions."""
    sessions = dict.fromkeys(each.scene.session for each in fresh)
    following = {session: count(await _newest(connection, tenant, session) + 1) for session in sessions}
    return [each.numbered(next(following[each.scene.session])) for each in fresh]


async def _newest(connection: AsyncConnection, tenant: str, session: str) -> int:
    """The number of the session's newest scene; 0 where it has none."""
    mine = (SCENES.c.tenant == tenant) & (SCENES.c.session == session)
    newest = select(SCENES.c.line).where(mine).order_by(SCENES.c.number.desc()).limit(1)
    line = (await connection.execute(newest)).scalar_one_or_none()
    try:
        delta = "" if line is None else read(line).delta.removeprefix(DELTA)
    except Malformed:
        delta = ""
    return int(delta) if delta.isdecimal() else 0


def _sources(numbered: Iterable[tuple[int, Ready]]) -> Iterable[dict[str, Any]]:
    for number, each in numbered:
        for name in sorted(each.hashes):
            yield {"number": number, "tenant": each.scene.tenant, "hash": name}


async def _supersessions(
    connection: AsyncConnection, numbered: Sequence[tuple[int, Ready]]
) -> Sequence[dict[str, Any]]:
    """Whose place was taken, by whom and when: never of a scene that is trusted more than who takes it."""
    ending = {
        (number, link.to): each.scene
        for number, each in numbered
        for link in each.scene.links
        if link.relation == "supersedes" and link.to != each.scene.id
    }
    trusts = await _trusts_of_scenes(connection, numbered, [other for _, other in ending])
    return [
        {"number": number, "tenant": scene.tenant, "id": other, "at": scene.created}
        for (number, other), scene in sorted(ending.items(), key=lambda item: item[0])
        if other not in trusts or TRUST.index(scene.trust) >= TRUST.index(trusts[other])
    ]


async def _restore(connection: AsyncConnection, numbered: Sequence[tuple[int, Ready]]) -> None:
    """Give those their place again whose place was taken before they came, by one that is trusted less."""
    trusts = {each.scene.id: each.scene.trust for _, each in numbered}
    tenant = numbered[0][1].scene.tenant
    for page in pages(sorted(trusts)):
        mine = (SUPERSESSIONS.c.tenant == tenant) & SUPERSESSIONS.c.id.in_(page)
        wanted = select(SUPERSESSIONS.c.number, SUPERSESSIONS.c.id, SCENES.c.line)
        wanted = wanted.join(SCENES, SCENES.c.number == SUPERSESSIONS.c.number).where(mine)
        for number, other, line in (await connection.execute(wanted)).all():
            with suppress(Malformed):
                if TRUST.index(read(line).trust) >= TRUST.index(trusts[other]):
                    continue
                row = (SUPERSESSIONS.c.number == number) & (SUPERSESSIONS.c.id == other)
                await connection.execute(delete(SUPERSESSIONS).where(row))


async def _trusts_of_scenes(
    connection: AsyncConnection, numbered: Sequence[tuple[int, Ready]], ids: Collection[str]
) -> Mapping[str, Trust]:
    """How far those of these scenes are trusted that are there."""
    found: dict[str, Trust] = {}
    for page in pages(sorted({*ids})):
        mine = (SCENES.c.tenant == numbered[0][1].scene.tenant) & SCENES.c.id.in_(page)
        for line in (await connection.execute(select(SCENES.c.line).where(mine))).scalars():
            with suppress(Malformed):
                scene = read(line)
                found[scene.id] = scene.trust
    return found


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
    there = await trusts_of(connection, tenant, [*least])
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


async def trusts_of(connection: AsyncConnection, tenant: str, hashes: Collection[str]) -> Mapping[str, Trust]:
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
    if named - (await trusts_of(connection, tenant, named)).keys():
        raise BadRequest("A scene was made from a text that is neither given nor remembered.")
