"""Against an upstream with Nebius' dynamic limits: how much of what it allows is used, and how many 429s that takes.

The same load goes through the gateway, and by OpenAI's SDK straight to the upstream: clients that always have another
request. What the upstream allows is what an ideal client would get, who asks the very moment there is room.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openai

from chaos.findings import Finding
from chaos.serving import gateway_of
from sim.framing import Reply
from sim.house import Admitted
from sim.limits import Limits
from sim.nebius import Nebius
from sim.seen import Seen
from sim.server import Twin
from sim.words import prompt_tokens

WORDS = 8
STEP_SECONDS = 0.01
LEAST_GOODPUT = 0.95
MOST_REFUSED = 0.01
ALIAS = "words"
CLIENT_KEY = "client"
REDIS_SECONDS = 2
"""More than the usual bound: gateways, upstream and clients share one loop here, so that an answer of Redis may wait longer
for it than that. Where the bound is missed each gateway counts alone, which is another experiment (`chaos.limits`).
"""
UPSTREAM_KEY = "upstream"


@dataclass(frozen=True, slots=True)
class Load:
    """How hard and how long: the upstream's first limits a minute, its window (15 minutes at Nebius), and the clients."""

    requests: int = 240
    tokens: int = 1_000_000
    window_seconds: float = 4.0
    seconds: float = 30.0
    clients: int = 100
    answer_seconds: float = 0.2
    max_tokens: int = 16

    @property
    def model(self) -> str:
        return f"twin?chunks={WORDS}&first={self.answer_seconds}"


TOKENS = Load(requests=6000, tokens=3000)
"""The same where tokens are scarce, and requests are not."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the upstream saw, and what the clients got; `allowed` is what an ideal client would have got."""

    asked: int
    refused: int
    within: int
    beyond: int
    failed: int
    allowed: int

    @property
    def refused_share(self) -> float:
        return self.refused / max(self.asked, 1)

    @property
    def goodput(self) -> float:
        """What was served within the limits, as a share of what they allow."""
        return self.within / self.allowed

    def __str__(self) -> str:
        return (
            f"{self.goodput:.1%} of {self.allowed} allowed served within the limit, {self.beyond} beyond it, "
            f"{self.refused_share:.2%} of {self.asked} requests answered 429, {self.failed} calls failed"
        )


class Counting(Nebius):
    """A Nebius that counts how it serves. Its first window begins with the first request."""

    def __init__(self, load: Load) -> None:
        super().__init__()
        self._load = load
        self.asked = 0
        self.tiers: Counter[str] = Counter()

    def admit(self, seen: Seen, request: Mapping[str, Any], now: float) -> Admitted | Reply:
        if self._limits is None:
            load = self._load
            self._limits = Limits(load.requests, load.tokens, now, load.window_seconds)
        admitted = super().admit(seen, request, now)
        self.asked += 1
        if isinstance(admitted, Admitted):
            self.tiers[admitted.envelope["service_tier"]] += 1
        return admitted

    def served(self, failed: int, allowed: int) -> Served:
        within, beyond = self.tiers["default"], self.tiers["over-limit"]
        return Served(self.asked, self.asked - self.tiers.total(), within, beyond, failed, allowed)


async def naive(load: Load) -> Served:
    """The load by OpenAI's SDK, straight at the upstream."""
    async with _upstream(load) as (house, url):
        failed, seconds = await _asked(load, [url], load.model)
        return house.served(failed, ideal(load, seconds))


async def paced(load: Load, gateways: int = 1, redis_url: str | None = None) -> Served:
    """The same load by the same SDK through gateways, which share their counts where there is a Redis."""
    async with AsyncExitStack() as held:
        house, url = await held.enter_async_context(_upstream(load))
        urls = []
        for _ in range(gateways):
            folder = Path(held.enter_context(TemporaryDirectory()))
            gateway = await held.enter_async_context(gateway_of(configuration(load, url, redis_url), folder))
            urls.append(f"{gateway.url}/v1")
        failed, seconds = await _asked(load, urls, ALIAS)
        return house.served(failed, ideal(load, seconds))


def configuration(load: Load, url: str, redis_url: str | None) -> str:
    """A gateway in front of the upstream, which knows what it allows in a minute at first."""
    redis = f'redis: {{url: "{redis_url}", timeout_seconds: {REDIS_SECONDS}}}\n' if redis_url else ""
    pacing = f"{{requests_per_minute: {load.requests}, tokens_per_minute: {load.tokens}}}"
    return (
        f'upstreams:\n  up: {{kind: nebius, url: "{url}", api_key: {UPSTREAM_KEY}, pacing: {pacing}}}\n'
        f'models:\n  {ALIAS}: {{upstream: up, model: "{load.model}"}}\n{redis}'
    )


def ideal(load: Load, seconds: float) -> int:
    """How many requests the limits allow in so many seconds to who asks whenever there is room for the whole of one."""
    limits = Limits(load.requests, load.tokens, 0.0, load.window_seconds)
    tokens = prompt_tokens(_body(load, load.model)) + WORDS
    served = 0
    for step in range(int(seconds / STEP_SECONDS)):
        while limits.admit(tokens, "default", step * STEP_SECONDS).served_as:
            served += 1
    return served


def findings(alone: Served, one: Served, two: Served, tokens: Served) -> Sequence[Finding]:
    """What these runs show."""
    return [
        _finding("One gateway", one),
        _finding("Two gateways on one Redis", two),
        _finding("One gateway where tokens are what is scarce", tokens),
        Finding(
            "OpenAI's SDK alone, with the retries that it has, meets far more 429s",
            str(alone),
            alone.refused_share > 10 * MOST_REFUSED,
        ),
    ]


def _finding(who: str, served: Served) -> Finding:
    claim = f"{who}: at least {LEAST_GOODPUT:.0%} of what the upstream allows is used, with under {MOST_REFUSED:.0%} 429s"
    return Finding(
        claim, str(served), served.goodput >= LEAST_GOODPUT and served.refused_share < MOST_REFUSED
    )


@asynccontextmanager
async def _upstream(load: Load) -> AsyncGenerator[tuple[Counting, str]]:
    house = Counting(load)
    twin = Twin(house=house, keeps=1, keeps_bodies=False)
    port = await twin.start()
    try:
        yield house, f"http://127.0.0.1:{port}/v1"
    finally:
        await twin.stop()


async def _asked(load: Load, urls: Sequence[str], model: str) -> tuple[int, float]:
    """Let the clients ask for so long: how many calls failed, and how many seconds it took."""
    loop = asyncio.get_running_loop()
    failed = 0

    async def client(sdk: openai.AsyncOpenAI, end: float) -> None:
        nonlocal failed
        while loop.time() < end:
            try:
                async with asyncio.timeout_at(end):
                    await sdk.chat.completions.create(**_body(load, model))
            except TimeoutError:
                return
            except openai.APIStatusError:
                failed += 1

    async with AsyncExitStack() as held:
        sdks = [
            await held.enter_async_context(openai.AsyncOpenAI(base_url=url, api_key=CLIENT_KEY))
            for url in urls
        ]
        begun = loop.time()
        clients = (client(sdks[number % len(sdks)], begun + load.seconds) for number in range(load.clients))
        await asyncio.gather(*clients)
        return failed, loop.time() - begun


def _body(load: Load, model: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Say some words."}]
    return {"model": model, "messages": messages, "max_tokens": load.max_tokens}
