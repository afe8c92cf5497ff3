"""Health checks: a server is asked now and then whether it is there, and its breaker is told."""

import asyncio
import random

from adapters.directory import Directory
from app.breaker import Breaker
from app.errors import UpstreamFailure
from app.outcomes import counts

JITTER = 0.2
"""By how much a pause is longer or shorter, so that workers which began together do not go on asking together."""

TRUSTED_PAUSES = 3
"""For how many pauses a replica is out without another check; then calls try it themselves."""


class Checking:
    """Asks one server for its models every so many seconds, from its start to its stop; 0 is never."""

    def __init__(self, directory: Directory, breaker: Breaker, every_seconds: float) -> None:
        self._directory = directory
        self._breaker = breaker
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._every_seconds:
            self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(self._every_seconds * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - not a secret

    async def check(self) -> None:
        """Whatever is answered shows that somebody is there, but for failures that would count against a call."""
        try:
            await self._directory.request("GET", "models")
        except UpstreamFailure as failure:
            if counts(failure):
                now = asyncio.get_running_loop().time()
                self._breaker.miss(now, TRUSTED_PAUSES * self._every_seconds)
                return
        self._breaker.find()
