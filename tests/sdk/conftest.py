"""One gateway for all SDKs, with keys, the demo upstream and a twin; it runs beside the test, on its own loop."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from openai import OpenAI

from sim.seen import Seen
from sim.server import Twin
from tests.support.gateway import gateway_of, twin

KEY, NARROW_KEY = "hb-wide-0001", "hb-narrow-0002"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where SDKs find the gateway, and the twin behind it."""

    url: str
    twin: Twin

    def asked(self, model: str) -> list[Seen]:
        """What the twin was asked of this model, by its own name for it."""
        return [seen for seen in self.twin.seen if seen.method == "POST" and seen.json()["model"] == model]


def _configuration(twin_url: str) -> str:
    return f"""
upstreams:
  demo: {{kind: demo}}
  twin: # it fails on purpose, over and over: that shuts nobody out here
    kind: openai
    url: "{twin_url}"
    timeouts: {{connect: 1, first_content: 1, gap: 1, total: 5}}
    breaker: null
models:
  demo: demo/demo
  slow: demo/demo-slow
  once-429: {{upstream: twin, model: "x?status=429&retry_after=0.01&pad=1", retries: 0}}
  once-503: {{upstream: twin, model: "x?status=503&retry_after=0.01&pad=1", retries: 0}}
keys:
  - {{id: wide, sha256: {sha256(KEY.encode()).hexdigest()}, models: ["*"]}}
  - {{id: narrow, sha256: {sha256(NARROW_KEY.encode()).hexdigest()}, models: [demo]}}
"""


@asynccontextmanager
async def _opened(folder: Path) -> AsyncGenerator[Gateway]:
    async with twin() as (running, url), gateway_of(_configuration(url), folder) as served:
        yield Gateway(served.url, running)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway]:
    folder = tmp_path_factory.mktemp("sdk")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_opened(folder)) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Generator[OpenAI]:
    """The official client, told only where the gateway is and what its key is."""
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as openai:
        yield openai
