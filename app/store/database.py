"""One database, SQLite or PostgreSQL: connections, transactions, and their failures as ours."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import URL, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.config.databases import SQLITE
from app.store.faults import StoreUnavailable

PATIENCE_SECONDS = 5.0
"""How long to wait for a connection, a lock or an answer."""
CONNECTIONS = 6
"""Held by each worker at most: for the usage it writes, the keys it looks at, a report, what expires, and two that look into
the memory.
"""
ONLY_OWNER = 0o600

Upsert: TypeAlias = sqlite.Insert | postgresql.Insert


class Database:
    """Transactions on one database."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith(SQLITE)
        self.name = "SQLite" if self.is_sqlite else "PostgreSQL"
        self._path = Path(url.removeprefix(SQLITE)) if self.is_sqlite else None
        self._engine = _postgresql(url) if self._path is None else _sqlite(self._path)

    def prepare(self) -> None:
        """Make SQLite's file, for its owner alone. Raises StoreUnavailable."""
        if self._path is None:
            return
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, ONLY_OWNER))
            _log_ahead(self._path)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"the file cannot be opened ({told_of(error)})") from None

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """Hold a transaction that only reads."""
        async with self._transaction("reads") as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """Hold a transaction that is committed where the block ends well, and else undone."""
        async with self._transaction("writes") as connection:
            yield connection

    def insert(self, table: Any) -> Upsert:
        """An insert that may say what to do where the row is there already."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def scrub(self) -> None:
        """What was deleted stands in SQLite's log no more, where nobody reads it still. Raises StoreUnavailable.

        PostgreSQL does so by itself (autovacuum).
        """
        if self._path is None:
            return
        try:
            await asyncio.to_thread(_empty_log, self._path)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the file's log cannot be emptied ({told_of(error)})") from None

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self, purpose: str) -> AsyncGenerator[AsyncConnection]:
        try:
            async with self._engine.execution_options(purpose=purpose).begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"{self.name} does not answer as it should ({told_of(error)})") from None


def readable(value: Any) -> str:
    """A text of the database for people, with marks for what is no UTF-8."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def told_of(error: BaseException) -> str:
    """What a failure may say of itself: the driver's message can hold statements and addresses."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        inner = error.orig.__cause__ or error.orig
        return f"{inner}" if isinstance(inner, sqlite3.Error) else type(inner).__name__
    if isinstance(error, OSError) and error.errno:  # its own text can hold an address
        return os.strerror(error.errno)
    return f"{error}" if isinstance(error, sqlite3.Error) else type(error).__name__


def _sqlite(path: Path) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=PATIENCE_SECONDS,
        connect_args={"timeout": PATIENCE_SECONDS},
    )
    event.listen(engine.sync_engine, "connect", _settle)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _settle(connection: Any, _: Any) -> None:
    """Transactions begin where we say so, also those that change tables; a damaged text is no reason to read nothing."""
    connection.isolation_level = None
    connection.driver_connection.text_factory = _text
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten: some builds would leave it
    cursor.close()


def _text(held: bytes) -> str | bytes:
    """A text of SQLite, which checks none; what is no UTF-8 as it is."""
    try:
        return held.decode()
    except UnicodeDecodeError:
        return held


def _begin(connection: Any) -> None:
    """Who is going to write takes the lock first: later it could not wait for it."""
    reads = connection.get_execution_options().get("purpose") == "reads"
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _log_ahead(path: Path) -> None:
    """Readers and the writer do not wait for each other (WAL); the file remembers it.

    The change needs the file for itself and does not wait for it, so two that start together try again.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return
    finally:
        connection.close()


def _empty_log(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _postgresql(url: str) -> AsyncEngine:
    """The driver reads the address itself: it knows everything that PostgreSQL's own programs do."""
    import asyncpg  # noqa: PLC0415 - SQLite does without it

    async def connect(**rest: Any) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(url, **rest)
        except (asyncpg.InterfaceError, asyncpg.PostgresError, OSError, TimeoutError, ValueError) as error:
            raise StoreUnavailable(f"PostgreSQL cannot be reached ({told_of(error)})") from None

    return create_async_engine(
        "postgresql+asyncpg://",
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=PATIENCE_SECONDS,
        pool_pre_ping=True,  # a server that was restarted is met again at once
        connect_args={
            "async_creator_fn": connect,
            "timeout": PATIENCE_SECONDS,
            "command_timeout": PATIENCE_SECONDS,
            "server_settings": {"application_name": "hyperbridge", "timezone": "UTC"},
        },
    )
