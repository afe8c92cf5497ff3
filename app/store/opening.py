"""Opens the database that the settings name: the only way to it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import select

from app.store.database import Database
from app.store.key_table import KeyTable
from app.store.keys import Keys
from app.store.migrating import migrate
from app.store.tables import SECRETS


@dataclass(frozen=True, slots=True)
class Store:
    """What the database holds."""

    database: Database
    keys: Keys

    async def secret(self, name: str, fresh: bytes) -> bytes:
        """The secret of this name, the same for everyone; the fresh one where there was none."""
        async with self.database.writing() as connection:
            row = {"name": name, "value": fresh}
            await connection.execute(
                self.database.insert(SECRETS).values(row).on_conflict_do_nothing(index_elements=["name"])
            )
            value = await connection.execute(select(SECRETS.c.value).where(SECRETS.c.name == name))
            return bytes(value.scalar_one())


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Store]:
    """Hold the database at this address (`store.url`), with its tables as they must be; raises StoreUnavailable."""
    database = Database(url)
    try:
        database.prepare()
        await migrate(database)
        yield Store(database, KeyTable(database))
    finally:
        await database.close()
