"""What was put beneath questions, in the database."""

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select

from app.memory.removal import pages
from app.store.database import Database
from app.store.tables import PINS

KEPT_SECONDS = 7 * 86_400.0
"""Since it was put there; a conversation that goes on later has its cached beginning no more anyway."""


class PinTable:
    """In the database, for all workers and hosts; they go with the first scene or session of their tenant's that is forgotten."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant: str, keys: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        async with self._database.reading() as connection:
            for page in pages(keys):
                mine = (PINS.c.tenant == tenant) & PINS.c.key.in_(page) & (PINS.c.expires > time.time())
                rows = (await connection.execute(select(PINS.c.key, PINS.c.block).where(mine))).all()
                found |= {key: block.decode() for key, block in rows}
        return found

    async def put(self, tenant: str, key: str, block: str) -> None:
        now = time.time()
        row = {
            "tenant": tenant,
            "key": key,
            "block": block.encode("utf-8", "replace"),
            "expires": now + KEPT_SECONDS,
        }
        async with self._database.writing() as connection:
            await connection.execute(delete(PINS).where(PINS.c.expires <= now))
            await connection.execute(self._database.insert(PINS).values(row).on_conflict_do_nothing())
