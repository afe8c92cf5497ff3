"""What is measured. A target is started on a free port, has answered once when its block begins, and is stopped."""

import asyncio
import hashlib
import json
import secrets
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import ClassVar, Protocol

from bench import environment
from bench.cells import SMALL, request
from bench.connection import Connection, Fault, check
from bench.load import Door
from bench.processes import server
from bench.samples import FLOOR

START_SECONDS = 180.0


class NotStarted(Exception):
    """A target did not come to answer."""


@dataclass(frozen=True, slots=True)
class Site:
    """What every target is given: the upstream, the models it has, a core, a folder for its files."""

    upstream_port: int
    models: Sequence[str]
    core: int
    folder: Path

    @property
    def upstream_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream_port}/v1"

    def write(self, name: str, document: object) -> Path:
        """A configuration file; JSON is YAML as well."""
        path = self.folder / name
        path.write_text(json.dumps(document, indent=2), encoding="utf-8")
        return path


@dataclass(frozen=True, slots=True)
class Running:
    """A target that answers. Without a process there is nothing but the upstream."""

    name: str
    door: Door
    pid: int | None
    start_seconds: float


class Target(Protocol):
    name: ClassVar[str]
    version: ClassVar[str]

    def running(self, site: Site) -> AbstractAsyncContextManager[Running]:
        """Hold the target from its first answer on. Raises NotStarted."""


class Direct:
    """No gateway: the floor under every latency, and the proof that the load generator is not the limit."""

    name: ClassVar = FLOOR
    version: ClassVar = ""

    @asynccontextmanager
    async def running(self, site: Site) -> AsyncGenerator[Running]:
        yield Running(self.name, Door(site.upstream_port), None, 0.0)


class Gateway:
    """HyperBridge as it runs in production: one worker, keys, metrics, a line in a log file for every call."""

    name: ClassVar = "gateway"
    version: ClassVar = version("hyperbridge")

    @asynccontextmanager
    async def running(self, site: Site) -> AsyncGenerator[Running]:
        key = f"hb-bench-{secrets.token_hex(24)}"
        path = site.write(
            "hyperbridge.yaml",
            {
                "upstreams": {
                    "bench": {"kind": "openai", "url": site.upstream_url, "api_key": "upstream-key"}
                },
                "models": {model: f"bench/{model}" for model in site.models},
                "keys": [
                    {"id": "bench", "sha256": hashlib.sha256(key.encode()).hexdigest(), "models": ["*"]}
                ],
                "metrics": {"enabled": True},
                "logs": {"file": str(site.folder / "exchanges.log")},
            },
        )
        door = Door(_free_port(), key)
        command = [sys.executable, "-m", "app", "serve", "--config", str(path), "--port", str(door.port)]
        async with _answering(self.name, command, {}, (door, site)) as running:
            yield running


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """LiteLLM's proxy in its production mode: one worker, a master key, no database, nothing fetched at start."""

    name: ClassVar = "litellm"
    version: ClassVar = environment.locked_version("litellm")

    programs: Path
    """The folder of its environment's programs."""

    @classmethod
    def installed(cls) -> "LiteLLM":
        """Install it where that has not been done."""
        return cls(environment.built(cls.name))

    @asynccontextmanager
    async def running(self, site: Site) -> AsyncGenerator[Running]:
        key = f"sk-bench-{secrets.token_hex(24)}"
        upstream = {"api_base": site.upstream_url, "api_key": "upstream-key"}
        path = site.write(
            "litellm.yaml",
            {
                "model_list": [
                    {"model_name": model, "litellm_params": {"model": f"openai/{model}", **upstream}}
                    for model in site.models
                ],
                "litellm_settings": {"json_logs": True},
                "general_settings": {"master_key": key},
            },
        )
        door = Door(_free_port(), key, verbatim=False)
        command = [str(self.programs / "litellm"), "--config", str(path), "--num_workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(door.port), "--telemetry", "False"]
        command += [
            "--keepalive_timeout",
            "75",
        ]  # ours; its own 5 s are shorter than its warm-up with 200 connections
        settings = {
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a list of prices at start
        }
        async with _answering(self.name, command, settings, (door, site)) as running:
            yield running


TARGETS: Mapping[str, Callable[[], Target]] = {
    Direct.name: Direct,
    Gateway.name: Gateway,
    LiteLLM.name: LiteLLM.installed,
}


@asynccontextmanager
async def _answering(
    name: str, command: Sequence[str], settings: Mapping[str, str], place: tuple[Door, Site]
) -> AsyncGenerator[Running]:
    """Hold a server from its first answer on; its start counts from before its process exists."""
    door, site = place
    log = site.folder / f"{name}.log"
    begun = perf_counter()
    async with server(command, core=site.core, environment=settings, log=log) as process:
        try:
            async with asyncio.timeout(START_SECONDS):
                await _first_answer(door, "plain", process)
        except (Fault, NotStarted, TimeoutError) as error:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise NotStarted(f"{name} did not start: {str(error) or 'no answer in time'}\n{tail}") from None
        yield Running(name, door, process.pid, perf_counter() - begun)


async def _first_answer(door: Door, model: str, process: Process) -> None:
    while process.returncode is None:
        try:
            async with await Connection.open(door.port) as connection:
                check(await connection.ask(request(model, SMALL, door.key)), model, verbatim=door.verbatim)
                return
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
    raise NotStarted(f"it ended with {process.returncode}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
