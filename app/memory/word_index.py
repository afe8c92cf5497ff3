"""What scenes are found by: their words, in SQLite's FTS5 or PostgreSQL's tsvector.

A word is told to the database as a mark: eight letters and digits, made of the tenant and the word. So no tenant's
question can meet another one's words, nor do those count in how rare a word is; no text of a client is part of a
statement's language; both databases have the same words, whatever the writing; and the index holds no text.
"""

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import log
from typing import Any, Protocol

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.memory.memory import Wanted
from app.store.database import Database
from app.store.tables import SCENES, WORDS_TABLE
from scenes.words import asked

MOST_WORDS = 48
"""Of a question."""
MOST_COUNTED = 16
"""How often a word counts in one scene."""
MOST_RANKED = 2000
"""PostgreSQL: scenes that are weighed are those with the rarest words, so many at least."""
MERGED_PAGES = 500
"""SQLite: of the index, in one transaction."""


class WordIndex(Protocol):
    """Within transactions of who asks."""

    def told(self, tenant: str, words: Mapping[str, int]) -> str:
        """Words with how often each is there, as `add` takes them."""

    async def add(self, connection: AsyncConnection, words: Mapping[int, str]) -> None:
        """Let the scenes with these numbers be found."""

    async def remove(self, connection: AsyncConnection, numbers: Sequence[int]) -> None: ...

    async def ranked(
        self, connection: AsyncConnection, wanted: Wanted, visible: ColumnElement[bool], most: int
    ) -> Sequence[int]:
        """The numbers of the visible scenes that have any of the words, the best first."""

    async def sweep(self, database: Database) -> None:
        """Let nothing be left of what was removed."""


def word_index(database: Database) -> WordIndex:
    return SqliteWords() if database.is_sqlite else PostgresqlWords()


@lru_cache(maxsize=1 << 16)
def mark(tenant: str, word: str) -> str:
    """A word of a tenant: 40 bits of a hash, as letters and digits."""
    return (
        b32encode(blake2b(f"{tenant}\0{word}".encode("utf-8", "replace"), digest_size=5).digest())
        .decode()
        .lower()
    )


def _marks(wanted: Wanted) -> Sequence[str]:
    return [mark(wanted.tenant, word) for word in asked(wanted.query, MOST_WORDS)]


class SqliteWords:
    """FTS5, ranked by its BM25."""

    _table = table(WORDS_TABLE, column("rowid"), column("words"))

    def told(self, tenant: str, words: Mapping[str, int]) -> str:
        return " ".join(_repeated(tenant, words))

    async def add(self, connection: AsyncConnection, words: Mapping[int, str]) -> None:
        rows = [{"rowid": number, "words": marks} for number, marks in words.items()]
        await connection.execute(insert(self._table), rows)

    async def remove(self, connection: AsyncConnection, numbers: Sequence[int]) -> None:
        await connection.execute(delete(self._table).where(self._table.c.rowid.in_(numbers)))

    async def ranked(
        self, connection: AsyncConnection, wanted: Wanted, visible: ColumnElement[bool], most: int
    ) -> Sequence[int]:
        marks = _marks(wanted)
        if not marks:
            return ()
        found = (
            select(SCENES.c.number)
            .select_from(self._table.join(SCENES, SCENES.c.number == self._table.c.rowid))
            .where(
                literal_column(WORDS_TABLE).op("MATCH")(" OR ".join(f'"{each}"' for each in marks)), visible
            )
            .order_by(literal_column(f"bm25({WORDS_TABLE})"), SCENES.c.number.desc())
        )
        return (await connection.execute(found.limit(most))).scalars().all()

    async def sweep(self, database: Database) -> None:
        """FTS5 leaves the words of a removed row where they are until their part of the index is merged with others."""
        pages = -MERGED_PAGES  # begins a merge of all parts, which the others go on with
        while True:
            async with database.writing() as connection:
                before = await _changes(connection)
                statement = f"INSERT INTO {WORDS_TABLE}({WORDS_TABLE}, rank) VALUES ('merge', :pages)"  # noqa: S608
                await connection.execute(text(statement), {"pages": pages})
                if await _changes(connection) - before < 2:
                    return
            pages = MERGED_PAGES


async def _changes(connection: AsyncConnection) -> int:
    """So many rows the connection has changed, as SQLite tells; a merge that found nothing to do changes one."""
    return int((await connection.execute(text("SELECT total_changes()"))).scalar_one())


def _repeated(tenant: str, words: Mapping[str, int]) -> Iterable[str]:
    for word, count in words.items():
        yield from [mark(tenant, word)] * min(count, MOST_COUNTED)


class PostgresqlWords:
    """tsvector, ranked by `ts_rank` of each word, times how rare it is among the tenant's scenes.

    That is no BM25, but has its two parts: `ts_rank` alone knows of no rare words, and grows ever more slowly with how
    often one is there, as BM25 does; like that, it is made less for longer scenes.
    """

    _table = table(WORDS_TABLE, column("number"), column("words"))

    def told(self, tenant: str, words: Mapping[str, int]) -> str:
        return " ".join(f"{mark(tenant, word)}:{_places(count)}" for word, count in words.items())

    async def add(self, connection: AsyncConnection, words: Mapping[int, str]) -> None:
        rows = [{"number": number, "words": marks} for number, marks in words.items()]
        statement = f"INSERT INTO {WORDS_TABLE} (number, words) VALUES (:number, CAST(CAST(:words AS text) AS tsvector))"  # noqa: S608
        await connection.execute(text(statement), rows)

    async def remove(self, connection: AsyncConnection, numbers: Sequence[int]) -> None:
        await connection.execute(delete(self._table).where(self._table.c.number.in_(numbers)))

    async def ranked(
        self, connection: AsyncConnection, wanted: Wanted, visible: ColumnElement[bool], most: int
    ) -> Sequence[int]:
        counts = await self._counts(connection, _marks(wanted))
        if not counts:
            return ()
        total = (
            await connection.execute(
                text("SELECT scenes FROM tenants WHERE tenant = :t"), {"t": wanted.tenant}
            )
        ).scalar_one_or_none() or 0
        score = sum(
            (self._weight(each, total, count) for each, count in counts.items()), start=literal_column("0")
        )
        found = (
            select(SCENES.c.number)
            .select_from(self._table.join(SCENES, SCENES.c.number == self._table.c.number))
            .where(self._table.c.words.op("@@")(_query(" | ".join(_rarest(counts)))), visible)
            .order_by(score.desc(), SCENES.c.number.desc())
        )
        return (await connection.execute(found.limit(most))).scalars().all()

    async def sweep(self, database: Database) -> None:
        return

    async def _counts(self, connection: AsyncConnection, marks: Sequence[str]) -> Mapping[str, int]:
        """In how many scenes each word is, the rarest first; those in none are left out, and none is counted to the end."""
        one = f"SELECT 1 FROM {WORDS_TABLE} WHERE words @@ CAST(mark AS tsquery) LIMIT {MOST_RANKED}"  # noqa: S608
        statement = text(
            f"SELECT mark, (SELECT count(*) FROM ({one}) AS first_found) AS found FROM unnest(:marks) AS mark ORDER BY found, mark"  # noqa: S608
        ).bindparams(bindparam("marks", type_=ARRAY(Text)))
        rows = (await connection.execute(statement, {"marks": [*marks]})).all()
        return {each: found for each, found in rows if found}

    def _weight(self, each: str, total: int, count: int) -> ColumnElement[float]:
        rarity = (
            log(1 + (total - count + 0.5) / (count + 0.5)) if count < total else log(1 + 0.5 / (count + 0.5))
        )
        return rarity * func.ts_rank(self._table.c.words, _query(each), 1)


def _rarest(counts: Mapping[str, int]) -> Iterable[str]:
    """As many of the words as it takes for enough scenes; at least one."""
    found = 0
    for each, count in counts.items():
        if found >= MOST_RANKED:
            return
        yield each
        found += count


def _places(count: int) -> str:
    """A tsvector counts a word by where it stands; where does not matter here."""
    return ",".join(map(str, range(1, min(count, MOST_COUNTED) + 1)))


def _query(marks: str) -> ColumnElement[Any]:
    """Read once: a plan that knows no values would read it for each row."""
    return select(cast(bindparam(None, marks, type_=Text), TSQUERY)).scalar_subquery()
