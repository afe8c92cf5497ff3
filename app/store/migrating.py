"""From whatever revision the tables are at to the newest; many that start at once do it once."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from app.store.database import Database
from app.store.faults import StoreUnavailable

NEWEST = "0005"
FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6862_7374
"""PostgreSQL's advisory lock of whoever changes the tables."""


async def migrate(database: Database, revision: str = NEWEST) -> None:
    """Bring the tables to this revision. Raises StoreUnavailable.

    Alembic is imported only where there is something to do.
    """
    async with database.reading() as connection:
        if await connection.run_sync(_revision) == revision:
            return
    async with database.writing() as connection:  # SQLite: nobody else writes from here on
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_upgrade, revision)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection, revision: str) -> None:
    if _revision(connection) == revision:  # somebody else did it while we waited
        return
    from alembic import command  # noqa: PLC0415 - a tenth of a second that most starts need not spend
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER))
    try:
        command.upgrade(config, revision)
    except CommandError:  # it does not know the revision that it finds
        raise StoreUnavailable(
            "its tables were made by a newer version of the gateway: update this one"
        ) from None
