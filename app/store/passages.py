"""Passages by a query of a database, SQLite or PostgreSQL, which is only read."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from sqlalchemy import URL, NullPool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.config.databases import SQLITE
from app.contracts import Call
from app.retriever import Unanswered
from app.store.database import told_of
from scenes.recollected import Passage

STEPS = 10_000
"""Of SQLite's machine, after which it looks at the time."""


@dataclass(frozen=True, slots=True)
class SqlPassages:
    """Asks anew each time, on a connection of its own: a question a turn is no load, and nothing is held open."""

    url: SecretStr
    query: str
    limit: int
    timeout_seconds: float

    async def passages(self, call: Call, question: str) -> Sequence[Passage]:
        engine = self._engine()
        values = {name: value for name, value in self._values(question).items() if f":{name}" in self.query}
        try:
            async with engine.connect() as connection:
                await self._bound(connection)
                rows = (await connection.execute(text(self.query), values)).mappings().fetchmany(self.limit)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Unanswered(told_of(error)) from None
        finally:
            await engine.dispose()
        return [_passage(row) for row in rows]

    async def _bound(self, connection: AsyncConnection) -> None:
        """SQLite ends a query by itself when its time is over: nobody else could end it."""
        if connection.dialect.name != "sqlite":
            return
        until = time.monotonic() + self.timeout_seconds
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)

    def _values(self, question: str) -> dict[str, Any]:
        return {"question": question.replace("\0", " "), "limit": self.limit}

    def _engine(self) -> AsyncEngine:
        url = self.url.get_secret_value()
        if url.startswith(SQLITE):
            file = URL.create(
                "sqlite+aiosqlite",
                database=f"file:{url.removeprefix(SQLITE)}",
                query={"mode": "ro", "uri": "true"},
            )
            return create_async_engine(
                file, poolclass=NullPool, connect_args={"timeout": self.timeout_seconds}
            )
        import asyncpg  # noqa: PLC0415 - SQLite does without it

        async def connect(**_: Any) -> Any:
            try:
                return await asyncpg.connect(
                    url,
                    timeout=self.timeout_seconds,
                    command_timeout=self.timeout_seconds,
                    server_settings={
                        "application_name": "hyperbridge",
                        "default_transaction_read_only": "on",
                        "statement_timeout": str(int(1000 * self.timeout_seconds)),
                    },
                )
            except (asyncpg.InterfaceError, asyncpg.PostgresError, ValueError) as error:
                raise Unanswered(told_of(error)) from None

        return create_async_engine(
            "postgresql+asyncpg://", poolclass=NullPool, connect_args={"async_creator_fn": connect}
        )


def _passage(row: Any) -> Passage:
    """Raises Unanswered for a row without a text."""
    if "text" not in row:
        raise Unanswered("its rows have no column text")
    return Passage(str(row["text"] or ""), str(row.get("title") or ""))
