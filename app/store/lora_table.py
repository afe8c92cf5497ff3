"""What fleets shall have, in the database: `app.loras.shared.Shared` for all workers and gateways."""

from sqlalchemy import select

from app.loras.unusable import Unwritten
from app.store.database import Database
from app.store.faults import StoreUnavailable
from app.store.tables import FLEETS


class LoraTable:
    """One row for each document."""

    is_shared = True

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, fleet: str) -> tuple[int, bytes]:
        wanted = select(FLEETS.c.revision, FLEETS.c.document).where(FLEETS.c.name == fleet)
        try:
            async with self._database.reading() as connection:
                row = (await connection.execute(wanted)).one_or_none()
        except StoreUnavailable as unavailable:
            raise _unread(unavailable) from None
        return (0, b"") if row is None else (row.revision, bytes(row.document))

    async def write(self, fleet: str, revision: int, document: bytes) -> bool:
        row = {"name": fleet, "revision": revision + 1, "document": document}
        added = self._database.insert(FLEETS).values(row).on_conflict_do_nothing(index_elements=["name"])
        changed = FLEETS.update().where(FLEETS.c.name == fleet, FLEETS.c.revision == revision).values(row)
        try:
            async with self._database.writing() as connection:
                done = await connection.execute(changed if revision else added)
        except StoreUnavailable as unavailable:
            raise _unread(unavailable) from None
        return done.rowcount == 1


def _unread(unavailable: StoreUnavailable) -> Unwritten:
    return Unwritten(f"the database does not tell which adapters are wanted: {unavailable}")
