"""A real Prometheus with the rules and the jobs of `deploy`, aimed at gateways under test."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import yaml

from tests.deploy.files import RULES, read_yaml, tool

PATIENCE_SECONDS = 60.0


class Monitoring:
    """Prometheus' HTTP API."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; a query that Prometheus does not understand fails here."""
        answer = (await self._http.get(f"/api/v1/{path}", params=parameters)).json()
        assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
        return answer["data"]

    async def numbers(self, query: str) -> list[float]:
        """The values of a query at this moment, without those that are no number."""
        found = (await self.get("query", query=query))["result"]
        return [float(each["value"][1]) for each in found if each["value"][1] != "NaN"]


async def awaited(condition: Callable[[], Awaitable[bool]], claim: object) -> None:
    """Wait until the condition holds; what the claim says by then is told where it never does."""
    end = monotonic() + PATIENCE_SECONDS
    while monotonic() < end:
        if await condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(claim)


@asynccontextmanager
async def monitoring(folder: Path, gateway: str) -> AsyncGenerator[Monitoring]:
    """Run a Prometheus that asks this gateway five times a second, until the block ends."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(gateway)), encoding="utf-8")
    port = _free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            tool("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            await awaited(lambda: _ready(http), "Prometheus is ready")
            yield Monitoring(http)
    finally:
        process.terminate()
        await process.wait()


def _configuration(gateway: str) -> Any:
    """The configuration of `deploy`, quicker, and with a gateway on another address."""
    found = read_yaml("deploy/prometheus/prometheus.yml")
    found["global"] = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "1s"}
    found["rule_files"] = [str(RULES)]
    jobs = {job["job_name"]: job for job in found["scrape_configs"]}
    jobs["hyperbridge"]["static_configs"] = [{"targets": [gateway.removeprefix("http://")]}]
    found["scrape_configs"] = [jobs["hyperbridge"]]
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/-/ready")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
