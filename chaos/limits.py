"""Limits under many who ask at once: real gateways of several workers each, on one real Redis that is ill-treated."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from chaos.findings import Finding
from chaos.redis_server import Server, redis_server
from chaos.serving import twin

GATEWAYS, WORKERS, AT_ONCE = 2, 4, 50
REPETITIONS = 20
REQUESTS = 60
"""Admitted an hour, of twice as many that ask."""
CALLS = 30
"""As many calls of 100 tokens as the limit of tokens has room for, and as many as may run at once; of 50 that ask."""
LONG = "twin?chunks=40&head=3"
"""Answers of 40 tokens, none of which is there before all 50 have asked."""

STORM_LIMIT = 150
STORM_SHARE = 0.5
STORM_AT_ONCE = 8
WAYS = ("killed and started again", "frozen", "flushed", "without its scripts")
HANG_SECONDS = 0.3
BACK_SECONDS = 2.0
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request's status, and when it was asked and answered (`time.perf_counter`)."""

    status: int
    began: float
    ended: float


async def hammered(
    repetitions: int = REPETITIONS, said: Callable[[str], None] = lambda _: None
) -> Sequence[Finding]:
    """Keys of their own for each repetition; how many calls of each were admitted."""
    wrong: dict[str, list[str]] = {"requests": [], "tokens": [], "calls": []}
    async with _gateways(_hammer_settings(repetitions), GATEWAYS, WORKERS) as (urls, _, _):
        for number in range(repetitions):
            for measure, asked, expected in (
                ("requests", 2 * REQUESTS, REQUESTS),
                ("tokens", AT_ONCE, CALLS),
                ("calls", AT_ONCE, CALLS),
            ):
                key = f"hb-{measure}-{number:08}"
                body = _body("twin?chunks=1" if measure == "requests" else LONG)
                statuses = Counter(each.status for each in await _all(urls, key, body, asked))
                if statuses != {200: expected, 429: asked - expected}:
                    wrong[measure].append(f"repetition {number}: {dict(statuses)}")
            said(f"limits: {number + 1} of {repetitions} repetitions")
    return [
        Finding(
            f"{measure}: exactly the limit is admitted ({GATEWAYS} gateways of {WORKERS} workers, {AT_ONCE} at once)",
            f"{repetitions - len(faults)} of {repetitions} repetitions",
            not faults,
            faults,
        )
        for measure, faults in wrong.items()
    ]


async def ill_treated(said: Callable[[str], None] = lambda _: None) -> Sequence[Finding]:
    """One kind of ill-treatment after another, under load."""
    found: list[Finding] = []
    for way in WAYS:
        found += await _storm(way)
        said(f"limits: Redis {way}")
    return found


async def _storm(way: str) -> Sequence[Finding]:
    """Calls go on while it happens; a server that is gone comes back."""
    async with _gateways(_storm_settings(), 1, 2) as ([url], redis, url_health):
        done: list[Asked] = []
        stop = asyncio.Event()
        load = [asyncio.ensure_future(_keep_asking(url, done, stop)) for _ in range(STORM_AT_ONCE)]
        await asyncio.sleep(1.0)
        began = time.perf_counter()
        gone = await _ill_treat(redis, way)
        if gone:
            await asyncio.sleep(1.5)
            redis.thaw() if way == "frozen" else redis.start()
        restored = time.perf_counter()
        back = await _back(url_health, restored)
        await asyncio.sleep(0.5)
        stop.set()
        await asyncio.gather(*load)
    during = [each for each in done if each.ended > began]
    slowest = max(each.ended - each.began for each in during)
    statuses = Counter(each.status for each in done)
    wipes = 1 if way in {"flushed", "killed and started again"} else 0  # what was counted before is lost then
    bound = STORM_LIMIT * (1 + wipes) + (round(STORM_LIMIT * STORM_SHARE) if gone else 0) + 1
    return [
        Finding(
            f"Redis {way}: no call hangs",
            f"slowest {slowest * 1000:.0f} ms of {len(during)}",
            slowest < HANG_SECONDS,
        ),
        Finding(
            f"Redis {way}: nothing but 200 and 429", str(dict(statuses)), not statuses.keys() - {200, 429}
        ),
        Finding(
            f"Redis {way}: over-admission stays within the bound",
            f"{statuses[200]} admitted, limit {STORM_LIMIT}, bound {bound}",
            statuses[200] <= bound,
        ),
        *([Finding(f"Redis {way}: recovery", f"{back:.2f} s", back < BACK_SECONDS)] if gone else ()),
    ]


async def _ill_treat(redis: Server, way: str) -> bool:
    """Whether the server is gone now."""
    match way:
        case "killed and started again":
            redis.kill()
            return True
        case "frozen":
            redis.freeze()
            return True
    with redis.client() as client:
        client.flushall() if way == "flushed" else client.script_flush()
    return False


async def _back(url: str, since: float) -> float:
    """Seconds until every worker counts with Redis again, as the gateway's metrics say."""
    async with httpx.AsyncClient() as client:
        while time.perf_counter() - since < 10:
            text = (await client.get(f"{url}/metrics")).text
            if "hyperbridge_limits_alone 0.0" in text:
                break
            await asyncio.sleep(0.05)
    return time.perf_counter() - since


async def _keep_asking(url: str, done: list[Asked], stop: asyncio.Event) -> None:
    async with httpx.AsyncClient(timeout=20) as client:
        while not stop.is_set():
            done.append(await _ask(client, url, "hb-storm-00000001", _body("twin?chunks=1")))
            await asyncio.sleep(0.01)


async def _all(urls: Sequence[str], key: str, body: Mapping[str, Any], times: int) -> Sequence[Asked]:
    """So many requests, as many at once as the experiment says, to one gateway after the other."""
    places = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=None)

    async with httpx.AsyncClient(timeout=30, limits=limits) as client:

        async def one(number: int) -> Asked:
            async with places:
                return await _ask(client, urls[number % len(urls)], key, body)

        return await asyncio.gather(*map(one, range(times)))


async def _ask(client: httpx.AsyncClient, url: str, key: str, body: Mapping[str, Any]) -> Asked:
    began = time.perf_counter()
    answer = await client.post(
        f"{url}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {key}", "connection": "close"},
    )
    return Asked(answer.status_code, began, time.perf_counter())


def _body(model: str) -> Mapping[str, Any]:
    """240 bytes of prompt, which are reckoned as 60 tokens, and room for 40."""
    return {
        "model": f"twin/{model}",
        "max_tokens": 40,
        "messages": [{"role": "user", "content": "word " * 48}],
    }


def _hammer_settings(repetitions: int) -> Callable[[str, str], str]:
    keys = "".join(
        _key(f"{measure}-{number:08}", limits)
        for number in range(repetitions)
        for measure, limits in (
            ("requests", f"requests: {REQUESTS}/hour"),
            ("tokens", f"tokens: {CALLS * 100}/hour"),
            ("calls", f"concurrent: {CALLS}"),
        )
    )
    return lambda twin_url, redis_url: _settings(twin_url, redis_url, keys)


def _storm_settings() -> Callable[[str, str], str]:
    key = _key("storm-00000001", f"requests: {STORM_LIMIT}/hour")
    return lambda twin_url, redis_url: _settings(
        twin_url, redis_url, key, f"limits: {{offline_share: {STORM_SHARE}}}"
    )


def _key(name: str, limits: str) -> str:
    digest = sha256(f"hb-{name}".encode()).hexdigest()
    return f'  - {{id: {name}, sha256: {digest}, models: ["*"], limits: {{{limits}}}}}\n'


def _settings(twin_url: str, redis_url: str, keys: str, more: str = "") -> str:
    return f"""
upstreams:
  twin: {{kind: openai, url: "{twin_url}"}}
redis: {{url: "{redis_url}"}}
store: {{url: null}}
logs: {{level: error}}
{more}
keys:
{keys}"""


@asynccontextmanager
async def _gateways(
    settings: Callable[[str, str], str], count: int, workers: int
) -> AsyncGenerator[tuple[Sequence[str], Server, str]]:
    """Gateways in processes of their own, their Redis, and the first one's address."""
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory()))
        redis = held.enter_context(redis_server(folder))
        _, url = await held.enter_async_context(twin())
        path = folder / "hyperbridge.yaml"
        path.write_text(settings(url, redis.url), encoding="utf-8")
        urls = [held.enter_context(_gateway(path, workers)) for _ in range(count)]
        for each in urls:
            await _ready(each)
        yield urls, redis, urls[0]


async def _ready(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise TimeoutError(f"the gateway at {url} does not get ready")


@contextmanager
def _gateway(config: Path, workers: int) -> Generator[str]:
    """`hyperbridge serve` on a free port, and its address."""
    command = [
        sys.executable,
        "-m",
        "app",
        "serve",
        "--config",
        str(config),
        "--port",
        "0",
        "--workers",
        str(workers),
    ]
    with (config.parent / "stderr").open("ab") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603 - our own
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert "http://" in first, (config.parent / "stderr").read_text("utf-8")
            yield first.split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            process.stdout.close()
