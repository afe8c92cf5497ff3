"""The gateway in this process: the real application, served by the real server on a free port of the loopback address."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from app import config
from app.configuration import Origin
from app.contracts import Limiter
from app.main import create_app
from app.server import settings
from app.sink import Sink
from sim.server import Twin


@dataclass(frozen=True, slots=True)
class Served:
    """Where the gateway answers, and the file that its log lines go to."""

    url: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8")


@asynccontextmanager
async def gateway_of(
    yaml: str, folder: Path, environment: Mapping[str, str] | None = None, *, limiter: Limiter | None = None
) -> AsyncGenerator[Served]:
    """Serve the gateway of this configuration until the block ends."""
    path = folder / "hyperbridge.yaml"
    path.write_text(yaml, encoding="utf-8")
    log = folder / "exchange.log"
    with log.open("ab") as file:
        sink = Sink(file.fileno())
        given = config.load(path, environment or {})
        if "store:" not in yaml:  # most need no database, and start faster without
            given = given.model_copy(update={"store": config.Store(url=None)})
        if "watch_seconds:" not in yaml:  # several gateways of a test have their file in one folder
            still = given.server.model_copy(update={"watch_seconds": 0.0})
            given = given.model_copy(update={"server": still})
        if "catalogue_seconds:" not in yaml:  # what upstreams are asked by itself is not what most count
            asked = given.router.model_copy(update={"catalogue_seconds": 0.0})
            given = given.model_copy(update={"router": asked})
        app = create_app(given, sink, Origin(path), hash_key="test", limiter=limiter)
        try:
            async with served(app, given.server.client_gap_seconds) as url:
                yield Served(url, log)
        finally:
            sink.close()


@asynccontextmanager
async def served(app: ASGIApp, client_gap_seconds: float = 60) -> AsyncGenerator[str]:
    """Serve an ASGI application; leaving the block stops it after its lifespan has ended."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    server = uvicorn.Server(settings(app, drain_seconds=1, client_gap_seconds=client_gap_seconds))
    serving = asyncio.ensure_future(server._serve([listening]))  # noqa: SLF001 - `serve` would take over the signals
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def twin(recordings: Path | None = None) -> AsyncGenerator[tuple[Twin, str]]:
    """A running twin and its base URL."""
    server = Twin(recordings=recordings)
    port = await server.start()
    try:
        yield server, f"http://127.0.0.1:{port}/v1"
    finally:
        await server.stop()
