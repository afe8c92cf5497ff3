"""From the configuration to upstreams: the one place where they are put together."""

import asyncio
import math
import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import assert_never
from urllib.parse import urlsplit

from adapters import nebius
from adapters.breaking import Breaking
from adapters.budgets import Allowed
from adapters.checking import Checking
from adapters.demo import Demo
from adapters.directory import Directory
from adapters.fleet_building import fleet_of
from adapters.fleet_view import View
from adapters.openai_http import Address, OpenAIHttp
from adapters.pacing import Pacing
from adapters.pool import Origin, Pool, trust
from adapters.preparing import Preparing
from adapters.vllm import Ways
from app import config
from app.breaker import Breaker, Circuit, Tolerance
from app.config import files
from app.contracts import CannotStart, Source, Timeouts, Upstream
from app.limits.counters import Counters
from app.limits.memory import Memory
from app.loras.shared import Held, Shared

IN_PROCESS_SECONDS = Timeouts().total

NEBIUS_REQUESTS = 60
"""A minute, until Nebius says otherwise: what its documentation gives as the limit of a new account."""

NONE_KEPT: Mapping[str, Source] = MappingProxyType({})

NEVER_OPENS = Tolerance(error_rate=math.inf, probes=0)
"""What `breaker: null` means: only a health check that fails takes a replica out."""


@dataclass(frozen=True, slots=True)
class Common:
    """What upstreams share with those of other workers, and of configurations before and after: `counters` hold their budgets,
    `shared` what their fleets shall have; `secret` makes what no client may guess.
    """

    counters: Counters = field(default_factory=Memory)
    shared: Shared = field(default_factory=Held)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


def sources(
    settings: config.Config, common: Common | None = None, kept: Mapping[str, Source] = NONE_KEPT
) -> Mapping[str, Source]:
    """Every configured upstream by its name, those that are kept as they are.

    Raises CannotStart where the certificates of one cannot be read.
    """
    common = common or Common()
    return {name: kept.get(name) or _made(name, settings, common) for name in settings.upstreams}


def kept(settings: config.Config, known: Mapping[str, Source]) -> Mapping[str, Source]:
    """Of the upstreams that are known, those that these settings and the files as they are now would make again."""
    return {
        name: source
        for name, source in known.items()
        if name in settings.upstreams and _made_of(name, settings) == source.made_of
    }


def _made(name: str, settings: config.Config, common: Common) -> Source:
    made_of = _made_of(name, settings)  # first: a file that changes meanwhile is another one the next time
    return replace(_source(name, settings.upstreams[name], settings, common), made_of=made_of)


def _made_of(name: str, settings: config.Config) -> tuple[object, ...]:
    upstream = settings.upstreams[name]
    whole = settings.server.max_answer_bytes, settings.limits.output_tokens
    return upstream, _certificates(upstream), *whole


def _certificates(settings: config.Upstream) -> bytes:
    """A hash of the file with the certificates to trust."""
    if not isinstance(settings, config.HTTP_KINDS) or settings.ca_file is None:
        return b""
    return files.digest([settings.ca_file])


def _source(name: str, settings: config.Upstream, whole: config.Config, common: Common) -> Source:
    match settings:
        case config.Demo():
            demo = Demo()
            return Source(
                demo,
                demo.operations,
                IN_PROCESS_SECONDS,
                demo.models,
                _nothing,
                _nothing,
                _none,
                kind=settings.kind,
            )
        case config.Embedded():
            return _embedded(name, settings)
        case config.Nebius() | config.OpenAI() | config.Vllm():
            servers = [
                _Server(name, settings, url, whole.server.max_answer_bytes)
                for url in dict.fromkeys(settings.bases)
            ]
            allowed = _allowed(name, settings, whole)
            if isinstance(settings, config.Vllm):
                return _vllm(settings, servers, allowed, common)
            return _http(settings, servers, servers[0].upstream, allowed, common)
        case _:
            assert_never(settings)


def _embedded(name: str, settings: config.Embedded) -> Source:
    from adapters.embedded import Embedded  # noqa: PLC0415 - few use it

    embedded = Embedded(name, settings)
    return Source(
        embedded,
        embedded.operations,
        IN_PROCESS_SECONDS,
        embedded.models,
        embedded.start,
        embedded.close,
        _none,
        kind=settings.kind,
    )


class _Server:
    """One HTTP server: how it is asked on the exchange path, and how beside it."""

    def __init__(
        self,
        name: str,
        settings: config.Nebius | config.OpenAI | config.Vllm,
        url: str,
        max_answer_bytes: int,
    ) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key is not None else None
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        tls = _tls(name, settings) if url.startswith("https:") else None
        self.pool = Pool(
            Origin.of(url), limit=settings.max_connections, idle_seconds=settings.idle_seconds, tls=tls
        )
        address = Address(urlsplit(url).netloc, urlsplit(url).path, headers, key)
        self.url = url
        server = OpenAIHttp(address, self.pool, settings.timeouts, max_answer_bytes=max_answer_bytes)
        checks_seconds = settings.health_check_seconds
        self.breaker = Breaker(settings.breaker or NEVER_OPENS, checked=checks_seconds > 0)
        self.upstream = Breaking(server, self.breaker)
        own = {"authorization": f"Bearer {key}"} if key else {}
        listing = nebius.LISTING if isinstance(settings, config.Nebius) else "models"
        self.directory = Directory(url, headers | own, tls, listing)
        self.checking = Checking(self.directory, self.breaker, checks_seconds)

    async def close(self) -> None:
        await self.checking.stop()
        self.pool.close()
        await self.directory.close()


def _allowed(
    name: str, settings: config.Nebius | config.OpenAI | config.Vllm, whole: config.Config
) -> Allowed:
    pacing = settings.pacing
    nebius_s = NEBIUS_REQUESTS if isinstance(settings, config.Nebius) else None
    return Allowed(
        name,
        pacing.requests_per_minute or nebius_s,
        pacing.tokens_per_minute,
        pacing.queue,
        isinstance(settings, config.OpenAI) if pacing.per_model is None else pacing.per_model,
        whole.limits.output_tokens,
    )


def _http(
    settings: config.Nebius | config.OpenAI | config.Vllm,
    servers: Sequence[_Server],
    upstream: Upstream,
    allowed: Allowed,
    common: Common,
) -> Source:
    if isinstance(settings, config.Nebius):
        upstream = Preparing(upstream, nebius.named_schema)
    valve = nebius.Valve(settings.pacing.flex).turn if isinstance(settings, config.Nebius) else None
    pacing = Pacing(upstream, allowed, common.counters, valve)

    async def start() -> None:
        for server in servers:
            server.checking.start()

    async def close() -> None:
        await pacing.close()
        for server in servers:
            await server.close()

    def connections() -> int:
        return sum(server.pool.open_connections for server in servers)

    def circuits() -> Sequence[Circuit]:
        now = asyncio.get_running_loop().time()
        return [server.breaker.circuit(now) for server in servers]

    operations = frozenset[str](settings.speaks)
    return Source(
        pacing,
        operations,
        settings.timeouts.total,
        servers[0].directory.cards,
        start,
        close,
        connections,
        kind=settings.kind,
        circuits=circuits,
        queue=pacing.queue,
        unbounded_tokens=pacing.unbounded_tokens,
    )


def _vllm(settings: config.Vllm, servers: Sequence[_Server], allowed: Allowed, common: Common) -> Source:
    """Servers of one model behind one name, with what they are given and kept from."""
    built = fleet_of(allowed.name, settings, servers, common.shared)
    fleet, loras = built.fleet, built.loras
    ways = Ways(common.secret, settings.cache_salt, settings.priorities)
    if loras is not None:
        ways = replace(ways, check=loras.check)
    source = _http(settings, servers, Preparing(fleet, ways.prepared), allowed, common)
    source = replace(source, models=fleet.models, continues=True, members=ways.members)
    if loras is None:
        return source

    async def start() -> None:
        await source.start()
        await loras.start()

    async def close() -> None:
        await loras.close()
        await source.close()

    return replace(source, start=start, close=close, resolved=loras.resolved, fleet=View(fleet, loras))


def _tls(name: str, settings: config.HttpSettings) -> ssl.SSLContext:
    try:
        return trust(settings.ca_file)
    except ssl.SSLError:
        misfit = "holds no certificates (PEM)"
    except OSError as error:
        misfit = f"cannot be read: {error.strerror}"
    raise CannotStart(f"upstreams.{name}.ca_file: {settings.ca_file} {misfit}")


async def _nothing() -> None:
    """An upstream in this process needs no start and no end."""


def _none() -> int:
    return 0
