"""A new, empty database of each kind, and memories on it."""

import os
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest

from app.memory.scene_table import SceneTable
from app.store.opening import Store, opened
from tests.support.postgres import Postgres, postgresql

WITH_PGVECTOR = os.environ.get("HYPERBRIDGE_TEST_PGVECTOR", "")
"""A folder with the programs of a PostgreSQL that has pgvector: few machines have one."""
KINDS = ["sqlite", "postgresql", *(["pgvector"] if WITH_PGVECTOR else [])]
NOW = 1_800_000_000.0

Opener = Callable[..., SceneTable]


@pytest.fixture(scope="session")
def server() -> Generator[Postgres]:
    """A PostgreSQL for all tests."""
    with postgresql() as running:
        yield running


@pytest.fixture(scope="session")
def vector_server() -> Generator[Postgres]:
    """One with pgvector."""
    with postgresql(WITH_PGVECTOR) as running:
        yield running


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgresql":
        running: Postgres = request.getfixturevalue("server")
        return running.database()
    running = request.getfixturevalue("vector_server")
    return running.database("CREATE EXTENSION vector")


@pytest.fixture
async def store(url: str) -> AsyncGenerator[Store]:
    """It, with its tables."""
    async with opened(url) as running:
        yield running


@pytest.fixture
def opener(store: Store) -> Opener:
    """Memories on it, each with what it holds itself, as workers have them."""

    def open_one(**options: object) -> SceneTable:
        return SceneTable(store.database, **{"clock": lambda: NOW, **options})  # type: ignore[arg-type]

    return open_one


@pytest.fixture
def memory(opener: Opener) -> SceneTable:
    return opener()
