"""llama.cpp's server while it runs: asked over HTTP on the loopback address, as any other server is."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from adapters.embedded import engine
from adapters.embedded.quiet import QUIET
from adapters.embedded.renamed import Renamed
from adapters.embedded.tokens import Tokens
from adapters.http1 import Connection
from adapters.openai_http import Address, OpenAIHttp
from adapters.pool import Origin, Pool
from app import config
from app.contracts import Answer, Outbound, Timeouts

WAITING_CALLS = 32
"""Calls that may wait for the ones being answered; each connection holds a thread of the server."""
SPARE_THREADS = 2
"""For connections that were given up, until the server sees it."""
IDLE_SECONDS = 4.0
"""The server closes a connection that was idle for 5 s."""

_TOTAL = Timeouts().total
_TIMEOUTS = Timeouts(connect=5.0, first_content=_TOTAL, gap=_TOTAL, total=_TOTAL)
"""A slow processor is no stall: what bounds a call, once it has a connection, is its deadline."""


class Running:
    """Loads the model, which takes long; raises CannotStart. `path` is the upstream's in the configuration."""

    def __init__(self, settings: config.Embedded, path: str) -> None:
        key = secrets.token_urlsafe(32)
        connections = settings.parallel + WAITING_CALLS
        loaded = engine.load(settings, path, key, connections + SPARE_THREADS)
        self._server: engine.Server | None = loaded.server
        url = loaded.server.listening_address
        self._pool = _Pool(Origin.of(url), limit=connections, idle_seconds=IDLE_SECONDS)
        address = Address(urlsplit(url).netloc, "/v1", api_key=key)
        self._upstream = OpenAIHttp(address, self._pool, _TIMEOUTS)
        self._tokens = Tokens(self._upstream, settings.context_tokens, loaded.head.vocabulary)

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        """Hold an answer. Raises UpstreamFailure."""
        match outbound.operation.name:
            case "tokenize":
                yield await self._tokens.tokenize(outbound)
            case "detokenize":
                yield await self._tokens.detokenize(outbound)
            case _:
                async with self._upstream.open(outbound) as answer:
                    yield Renamed(answer, engine.ALIAS, outbound.model)

    async def close(self) -> None:
        """Stop the server and free the model.

        The server ends when its object does, holding Python's lock, and waits for its clients without bound: so
        every connection goes first.
        """
        self._pool.close()
        await asyncio.sleep(0)  # the loop closes the sockets
        self._server = None
        QUIET.leave()


class _Pool(Pool):
    """Closes what is in use, too."""

    def __init__(self, origin: Origin, *, limit: int, idle_seconds: float) -> None:
        super().__init__(origin, limit=limit, idle_seconds=idle_seconds)
        self._taken: set[Connection] = set()

    async def take(self, deadline: float, *, fresh: bool = False) -> Connection:
        connection = await super().take(deadline, fresh=fresh)
        self._taken.add(connection)
        return connection

    def put(self, connection: Connection) -> None:
        self._taken.discard(connection)
        super().put(connection)

    def close(self) -> None:
        for connection in self._taken:
            connection.close()
        super().close()
