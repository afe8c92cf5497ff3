"""An alias changes its target while two workers answer calls, and streams from the old one still run."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from app import config
from chaos.findings import Finding
from chaos.serving import twin

WORKERS = 2
CLIENTS = 8
STREAMS = 20
ALIASES = 300
"""Others, so that the file is as long as a large one."""
BEFORE_SECONDS = 1.5
AFTER_SECONDS = 2.5
WITHIN_SECONDS = 1.0
MOST_LATE_SECONDS = 0.05
READINGS = 15
TICK_SECONDS = 0.001
WORDS = 80
GAP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """A call: when it began, in seconds from the change; and who answered, "" where it failed."""

    began: float
    model: str


@dataclass(slots=True)
class Swapped:
    """What was seen of one change of the file."""

    calls: list[Asked] = field(default_factory=list)
    streams: int = 0
    """Of those that were open at the change: how many came whole, from the old target."""
    reloads: int = 0
    """As the workers count them."""

    @property
    def failed(self) -> int:
        return sum(not each.model for each in self.calls)

    @property
    def last_old_seconds(self) -> float:
        """When the last call began that the old target answered, after the change."""
        return max((each.began for each in self.calls if each.model == "old"), default=0.0)


def configuration(url: str, target: str) -> str:
    others = "".join(f"  other-{number}: twin/other\n" for number in range(ALIASES))
    return (
        f'server: {{port: 0, workers: {WORKERS}}}\nstore: {{url: null}}\nupstreams: {{twin: {{kind: openai, url: "{url}"}}}}\n'
        f'models:\n  words: twin/{target}\n  slow: "twin/{target}?chunks={WORDS}&gap={GAP_SECONDS}"\n{others}'
    )


async def swap() -> Swapped:
    """Change the target of two names from `old` to `new` by renaming a file, under load."""
    seen = Swapped()
    with TemporaryDirectory() as place:
        folder = Path(place)
        async with (
            twin() as (_, url),
            _served(folder, configuration(url, "old")) as base,
            _client(base) as client,
        ):
            await _ready(client)
            streams = [asyncio.ensure_future(_stream(client)) for _ in range(STREAMS)]
            changed = asyncio.get_running_loop().time() + BEFORE_SECONDS
            clients = [asyncio.ensure_future(_ask(client, changed, seen)) for _ in range(CLIENTS)]
            await asyncio.sleep(BEFORE_SECONDS)
            _replace(folder, configuration(url, "new"))
            await asyncio.gather(*clients)
            seen.streams = sum(await asyncio.gather(*streams))
            seen.reloads = await _reloads(client)
    return seen


def findings(seen: Swapped, late_seconds: float) -> Sequence[Finding]:
    late = seen.last_old_seconds
    return [
        Finding(
            f"While an alias is changed under load, of {len(seen.calls)} calls on {WORKERS} workers none fails",
            f"{seen.failed} failed",
            seen.failed == 0 and seen.reloads == WORKERS,
        ),
        Finding(
            f"Every call that begins {WITHIN_SECONDS:.0f} s after the rename goes to the new target",
            f"the last to the old one began after {late:.2f} s",
            late < WITHIN_SECONDS,
        ),
        Finding(
            f"All of {STREAMS} streams that were open go on to their end, from the old target",
            f"{seen.streams} whole",
            seen.streams == STREAMS,
        ),
        Finding(
            f"A file of {ALIASES} names is read and checked beside the calls: the loop is late by {MOST_LATE_SECONDS} s at most",
            f"{late_seconds * 1000:.0f} ms late",
            late_seconds < MOST_LATE_SECONDS,
        ),
    ]


async def lateness() -> float:
    """How late the loop is at most while a file is read in a thread: the median of some readings, in seconds."""
    with TemporaryDirectory() as place:
        _replace(Path(place), configuration("http://127.0.0.1:1/v1", "new"))
        path = Path(place, "hyperbridge.yaml")
        return sorted([await _late(path) for _ in range(READINGS)])[READINGS // 2]


async def _late(path: Path) -> float:
    now = asyncio.get_running_loop().time
    late = 0.0
    reading = asyncio.ensure_future(asyncio.to_thread(config.load, path, {}))
    while not reading.done():
        due = now() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        late = max(late, now() - due)
    await reading
    return late


async def _ask(client: httpx.AsyncClient, changed: float, seen: Swapped) -> None:
    """Call after call."""
    now = asyncio.get_running_loop().time
    while (began := now()) < changed + AFTER_SECONDS:
        answer = await _chat(client, {"model": "words", "messages": [{"role": "user", "content": "hi"}]})
        model = answer.headers.get("x-hyperbridge-model", "?") if answer and answer.is_success else ""
        seen.calls.append(Asked(began - changed, model))


async def _stream(client: httpx.AsyncClient) -> bool:
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    answer = await _chat(client, body)
    if answer is None or not answer.headers.get("x-hyperbridge-model", "").startswith("old"):
        return False
    return f"word{WORDS - 1} " in answer.text and answer.text.endswith("data: [DONE]\n\n")


async def _chat(client: httpx.AsyncClient, body: object) -> httpx.Response | None:
    try:
        return await client.post("/v1/chat/completions", json=body)
    except httpx.HTTPError:
        return None


async def _reloads(client: httpx.AsyncClient) -> int:
    text = (await client.get("/metrics")).text
    found = re.search(r'hyperbridge_config_reloads_total\{outcome="applied"\} (\d+)', text)
    return int(found[1]) if found else 0


def _replace(folder: Path, text: str) -> None:
    beside = folder / "new.yaml"
    beside.write_text(text, encoding="utf-8")
    beside.rename(folder / "hyperbridge.yaml")


@asynccontextmanager
async def _served(folder: Path, text: str) -> AsyncGenerator[str]:
    """`hyperbridge serve` in processes of its own, and its URL."""
    path = folder / "hyperbridge.yaml"
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "app", "serve", "--config", str(path)]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: ASYNC220, S603
        assert process.stdout is not None
        try:
            url = re.search(r"http://\S+", await asyncio.to_thread(process.stdout.readline))
            assert url is not None, (folder / "stderr").read_text(encoding="utf-8")
            yield url[0]
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)
            process.stdout.close()


async def _ready(client: httpx.AsyncClient) -> None:
    """Until every worker answers."""
    while (await client.get("/metrics")).text.count("hyperbridge_process_resident_memory_bytes{") < WORKERS:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


def _client(base: str) -> httpx.AsyncClient:
    """One that takes a new connection for every call, so that every worker has its part of them."""
    return httpx.AsyncClient(base_url=base, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
