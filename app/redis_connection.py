"""From a URL to a client of Redis: one server, sentinels, or a cluster; with TLS and a user where the URL says so.

    redis://user:password@host:6379/0              rediss:// with TLS           unix:///path/to/socket
    redis+sentinel://:password@host:26379,host:26379/master-name?db=0           rediss+sentinel:// with TLS
    redis+cluster://user:password@host:6379                                     rediss+cluster:// with TLS

Behind a ? may stand db; with TLS ssl_ca_certs, ssl_certfile, ssl_keyfile and ssl_check_hostname; of sentinels their own
sentinel_password. The configuration lets nothing else through (app/config/databases.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

Client: TypeAlias = "Redis | RedisCluster"

CONNECTIONS = 32
"""Held at most by each worker; who finds none free waits within its own bound."""

SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and the sentinels that tell it where to go."""

    client: Client
    sentinels: Sequence[Redis] = ()

    async def close(self) -> None:
        for each in (self.client, *self.sentinels):
            await each.aclose()


def connect(url: str, timeout_seconds: float) -> Connection:
    """A client that connects when it is first asked. Whatever takes longer than the bound fails, and nothing is asked
    twice: who asks decides what comes then. Raises ValueError where the URL is not one.
    """
    scheme, plus, kind = urlsplit(url).scheme.partition("+")
    bounds: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
    }
    plain = url.replace(f"{plus}{kind}", "", 1)
    if kind == "cluster":
        return Connection(RedisCluster.from_url(plain, **(bounds | {"retry": Retry(NoBackoff(), 1)})))
    if kind == "sentinel":
        return _watched(plain, bounds, tls=scheme == "rediss")
    pool = BlockingConnectionPool.from_url(
        plain, max_connections=CONNECTIONS, timeout=timeout_seconds, **bounds
    )
    return Connection(Redis.from_pool(pool))


def _watched(url: str, bounds: Mapping[str, Any], *, tls: bool) -> Connection:
    """The master that sentinels know by this name."""
    parts = urlsplit(url)
    name = parts.path.strip("/")
    user, at, hosts = parts.netloc.rpartition("@")
    if not name or "/" in name:
        raise ValueError("the URL of sentinels must end in the name of their master")
    query = f"?{parts.query}" if parts.query else ""
    given = dict(parse_url(f"{parts.scheme}://{user}{at}sentinel/{query}"))
    asking: dict[str, Any] = {**bounds, "password": given.pop("sentinel_password", None)}
    for known in ("host", "port", "connection_class"):
        given.pop(known, None)
    if tls:
        asking |= {"ssl": True} | {key: value for key, value in given.items() if key.startswith("ssl_")}
        given["ssl"] = True
    places = [urlsplit(f"//{each}") for each in hosts.split(",")]
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        [(place.hostname, place.port or SENTINEL_PORT) for place in places],
        sentinel_kwargs=asking,
        **given,
        **bounds,
    )
    return Connection(sentinels.master_for(name, max_connections=CONNECTIONS), sentinels.sentinels)
