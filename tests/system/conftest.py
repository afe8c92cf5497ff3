"""Both databases that the gateway may have, for tests that ask for each."""

from collections.abc import Generator

import pytest

from tests.support.postgres import Postgres, postgresql


@pytest.fixture(scope="module")
def database() -> Generator[Postgres]:
    """A PostgreSQL for all tests of a module."""
    with postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    """The address of an empty one, as `store.url` has it."""
    if request.param == "sqlite":
        return "sqlite:///memory.db"
    running: Postgres = request.getfixturevalue("database")
    return str(running.database())
