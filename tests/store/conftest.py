"""A new, empty database of each kind."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from app.store.opening import Store, opened
from tests.support.postgres import Postgres, postgresql


@pytest.fixture(scope="session")
def server() -> Generator[Postgres]:
    """A PostgreSQL for all tests."""
    with postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    running: Postgres = request.getfixturevalue("server")
    return running.database()


@pytest.fixture
async def store(url: str) -> AsyncGenerator[Store]:
    """It, with its tables."""
    async with opened(url) as running:
        yield running
