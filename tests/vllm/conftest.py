"""Fixtures: one real vLLM for all tests, and for each test a gateway in front of it."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.support.gateway import Served, gateway_of
from tests.vllm.server import Server, make_models, running


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("vllm")
    make_models(folder)
    with running(folder) as server:
        yield server


@pytest.fixture
async def gateway(vllm: Server, tmp_path: Path) -> AsyncGenerator[Served]:
    """A gateway in single-user mode: vLLM is its upstream `local`, `house` the base model, kept short."""
    yaml = f"""
upstreams:
  local: {{kind: vllm, replicas: ["{vllm.url}/v1"]}}
models:
  house: {{upstream: local, model: base, defaults: {{max_tokens: 12}}}}
"""
    async with gateway_of(yaml, tmp_path) as served:
        yield served
