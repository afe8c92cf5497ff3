"""Fixtures: a twin to ask, and a gateway in front of it."""

import gc
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import httpx
import pytest

from sim.server import Twin
from tests.support.gateway import Served, gateway_of, twin, twin_configuration


@pytest.fixture(scope="module")
def frozen() -> Generator[None]:
    """What pytest holds is not looked at by the collector, as in a worker: that would stop the loop for 0.2 s."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def upstream() -> AsyncGenerator[tuple[Twin, str]]:
    """A twin and its base URL."""
    async with twin() as running:
        yield running


@pytest.fixture
async def gateway(upstream: tuple[Twin, str], tmp_path: Path) -> AsyncGenerator[Served]:
    """A gateway in single-user mode in front of the twin."""
    async with gateway_of(twin_configuration(upstream[1]), tmp_path) as running:
        yield running


@pytest.fixture
async def client(gateway: Served) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client that knows where the gateway is."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as http:
        yield http
