"""A client that asks the twin directly."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from sim.server import Twin


@pytest.fixture
async def direct(upstream: tuple[Twin, str]) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream[1], timeout=10) as http:
        yield http
