"""A look at the database by whoever need not wait for SQLAlchemy, which takes a third of a second to import."""

import sqlite3
from contextlib import closing
from pathlib import Path

from app.config.databases import SQLITE


def may_have_keys(url: str) -> bool:
    """Whether keys stand in the database at this address; of PostgreSQL nothing is asked, and they may."""
    if not url.startswith(SQLITE):
        return True
    file = Path(url.removeprefix(SQLITE)).absolute().as_uri()
    try:
        with closing(sqlite3.connect(f"{file}?mode=ro", uri=True)) as database:
            return database.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None
    except sqlite3.Error:  # it is made at the start
        return False
