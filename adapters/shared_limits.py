"""A limit that an upstream has told, as all workers know it that count its budget together."""

import itertools
import os
from collections.abc import Sequence

from app.limits.counters import Counter, Counters, Demand
from app.ratelimit_headers import MOST


class SharedLimit:
    """The limit of a bucket: so much is "used" of a window that has no other purpose, and is forgotten with the month."""

    def __init__(self, counters: Counters, name: str, configured: int | None) -> None:
        self._counters = counters
        self._name = name
        self._window = Counter(f"{name}:limit", "window", MOST, "month")
        self._configured = configured
        self._agreed: int | None = None
        self.heard: int | None = None
        """What the upstream has told this worker."""

    @property
    def is_news(self) -> bool:
        """Whether the others are not told yet of what was heard."""
        return self.heard != self._agreed

    async def look(self) -> int:
        """What others have told; 0 where they did not."""
        return round((await self._used(self._window))[0])

    async def agree(self) -> float:
        """Tell the others what was heard; returns how much of the bucket is used then. What it has left stays as it is, as
        far as that is not more than the limit.

        At the upstream nothing comes back faster for a limit that grows, and nothing is used by its shrinking. However
        many tell the same, it is one step. A limit of which nobody had told before gives at once what it has more than
        the configured one. Who counts alone keeps it to itself.
        """
        before, limit = self._agreed or self._configured, self.heard
        assert limit is not None
        self._agreed = limit
        bucket = Counter(self._name, "bucket", limit)
        told, used = await self._used(self._window, bucket)
        together = self._counters.share == 1
        known = round(told) if together else 0
        grown = (limit - (known or before or limit)) * self._counters.share
        if together:
            self._counters.raise_to(self._window, limit)
            self._counters.lower_to(self._window, limit)
        if grown < 0:
            used = max(0.0, used + grown)
            self._counters.lower_to(bucket, used)
        elif known:
            used += grown
            self._counters.raise_to(bucket, used)
        return used

    async def _used(self, *counters: Counter) -> Sequence[float]:
        """How much is used of each now."""
        demands: Sequence[Demand] = [(counter, 0) for counter in counters]
        lease = new_lease()
        verdict = await self._counters.take(demands, lease)
        if verdict.refused is None:
            self._counters.give(demands, [0] * len(demands), lease, verdict)
        return verdict.used


_names = itertools.count()
_worker = os.urandom(6).hex()


def new_lease() -> str:
    """A name that no other call has."""
    return f"{_worker}-pace-{next(_names)}"
