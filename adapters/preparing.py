"""An upstream in front of another one, which changes what is asked."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from app.contracts import Answer, Outbound, Upstream


class Preparing:
    """Prepares each request for a server with ways of its own."""

    def __init__(self, upstream: Upstream, prepare: Callable[[Outbound], Outbound]) -> None:
        self._upstream = upstream
        self._prepare = prepare

    def open(self, outbound: Outbound) -> AbstractAsyncContextManager[Answer]:
        return self._upstream.open(self._prepare(outbound))
