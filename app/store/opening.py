"""Opens the database that the settings name: the only way to it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import select

from app.store.database import Database
from app.store.key_table import KeyTable
from app.store.keys import StoredKeys
from app.store.migrating import migrate
from app.store.shadow_table import ShadowTable
from app.store.shadows import Shadows
from app.store.tables import SECRETS
from app.store.usage import Usage
from app.store.usage_table import UsageTable


class Store:
    """What the database at this address (`store.url`) holds. Nothing is asked of it before `start`."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.keys: StoredKeys = KeyTable(self._database)
        self.usage: Usage = UsageTable(self._database)
        self.shadows: Shadows = ShadowTable(self._database)

    @property
    def database(self) -> Database:
        """For what else is kept in it (`app.memory`)."""
        return self._database

    async def start(self) -> None:
        """Bring the tables to what they must be. Raises StoreUnavailable."""
        self._database.prepare()
        await migrate(self._database)

    async def close(self) -> None:
        await self._database.close()

    async def secret(self, name: str, fresh: bytes) -> bytes:
        """The secret of this name, the same for everyone; the fresh one where there was none."""
        async with self._database.writing() as connection:
            row = {"name": name, "value": fresh}
            await connection.execute(
                self._database.insert(SECRETS).values(row).on_conflict_do_nothing(index_elements=["name"])
            )
            value = await connection.execute(select(SECRETS.c.value).where(SECRETS.c.name == name))
            return bytes(value.scalar_one())


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Store]:
    """Hold the store at this address, started; raises StoreUnavailable."""
    store = Store(url)
    try:
        await store.start()
        yield store
    finally:
        await store.close()
