"""Fixtures: GGUF files made once, an embedded upstream on them, and a gateway in front of one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from adapters.embedded import Embedded
from app import config
from app.contracts import Outbound
from app.operations import OPERATIONS
from tests.adapters.embedded.files import write_lora, write_model
from tests.support.gateway import Served, gateway_of


@dataclass(frozen=True, slots=True)
class Files:
    """A model, and two adapters for it."""

    model: Path
    poet: Path
    judge: Path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("gguf")
    return Files(
        write_model(folder / "tiny.gguf"),
        write_lora(folder / "poet.gguf", seed=1),
        write_lora(folder / "judge.gguf", seed=2),
    )


def settings_of(files: Files, **more) -> config.Embedded:
    settings = {
        "kind": "embedded",
        "model": str(files.model),
        "context_tokens": 131_072,
        "threads": 1,
        "loras": {
            "poet": {"path": str(files.poet), "scale": 1.0},
            "judge": {"path": str(files.judge), "scale": 0.5},
        },
    }
    return config.Embedded.model_validate(settings | more)


@asynccontextmanager
async def started(settings: config.Embedded) -> AsyncGenerator[Embedded]:
    """An upstream that is up until the block ends."""
    embedded = Embedded("gguf", settings)
    await embedded.start()
    try:
        yield embedded
    finally:
        await embedded.close()


@pytest.fixture
async def embedded(files: Files) -> AsyncGenerator[Embedded]:
    async with started(settings_of(files)) as running:
        yield running


def asking(path: str, *, model: str = "tiny", seconds: float = 60.0, **members) -> Outbound:
    """What the gateway would ask of the upstream."""
    return Outbound(
        OPERATIONS[path],
        model,
        orjson.dumps({"model": model, **members}),
        members.get("stream", False),
        (),
        asyncio.get_running_loop().time() + seconds,
    )


def endless(*, stream: bool = True, **more) -> Outbound:
    """A chat that takes minutes to the end of its context."""
    return asking("/v1/chat/completions", **CHAT | {"stream": stream, "max_tokens": 130_000} | ENDLESS | more)


CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 16,
    "temperature": 0,
}
ENDLESS = {"ignore_eos": True, "temperature": 1.0}


def configuration(files: Files, more: str = "") -> str:
    return f"""
upstreams:
  gguf:
    kind: embedded
    model: {files.model}
    context_tokens: 131072
    threads: 1
    loras:
      poet: {{path: {files.poet}}}
      judge: {{path: {files.judge}, scale: 0.5}}
{more}
models:
  words: gguf/tiny
  verses: gguf/tiny:poet
"""


@pytest.fixture
async def gateway(files: Files, tmp_path: Path) -> AsyncGenerator[Served]:
    async with gateway_of(configuration(files), tmp_path) as running:
        yield running


@asynccontextmanager
async def http_of(url: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        yield http


@pytest.fixture
async def client(gateway: Served) -> AsyncGenerator[httpx.AsyncClient]:
    async with http_of(gateway.url) as http:
        yield http
