"""Counters of both kinds, and the clock that they go by."""

from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field

import pytest

from app.limits.counters import Counters
from app.limits.memory import Memory
from app.limits.shared import Shared
from app.redis_connection import connect
from chaos.redis_server import Server, redis_server


@pytest.fixture(scope="session")
def redis(tmp_path_factory) -> Generator[Server]:
    """One server for all tests that leave it as it is."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@dataclass
class Place:
    """Where counts are held, and how many objects may count there together."""

    make: Callable[[], Counters]
    made: list[Counters] = field(default_factory=list)

    def counters(self) -> Counters:
        self.made.append(self.make())
        return self.made[-1]


@pytest.fixture(params=["memory", "redis"])
async def place(request) -> AsyncGenerator[Place]:
    """Each kind of counters, empty."""
    if request.param == "memory":
        memory = Memory()
        yield Place(lambda: memory)
        return
    server = request.getfixturevalue("redis")
    with server.client() as client:
        client.flushall()

    def shared() -> Shared:
        made = Shared(connect(server.url, 5.0), "test", 5.0)
        made.start()
        return made

    place = Place(shared)
    yield place
    for each in place.made:
        assert isinstance(each, Shared)
        await each.stop()
