"""Nebius' dynamic rate limits: two buckets that refill continuously, of a size that follows how much is used.

At the end of a window (15 minutes) a limit grows by 1.2 where at least 80 % of it were used, up to 20 times its
base, and shrinks by 1.5 where at most 50 % were. Source: Nebius Token Factory's documentation of its rate limits.
Nothing here reads a clock: the time, in seconds, is passed in.
"""

import math
from dataclasses import dataclass

WINDOW_SECONDS = 900.0
GROWTH = 1.2
SHRINKING = 1.5
CEILING = 20.0
BUSY = 0.8
IDLE = 0.5
SPARE = 0.2
"""How far beyond the limit requests are still served, as a share of it; Nebius does not publish its own."""

TIERS = ("auto", "default", "flex", "no-limit")
"""What a request may ask for: beyond the limit where there is room, never beyond it, or outside of all limits."""


class Bucket:
    """One limit per minute, and what is left of it."""

    def __init__(self, base: float, window_seconds: float, now: float) -> None:
        self._base = base
        self._window = window_seconds
        self._began = self._filled = now
        self._used = 0.0
        self.scale = 1.0
        self.level = base

    @property
    def limit(self) -> float:
        return self._base * self.scale

    @property
    def usage(self) -> float:
        """What was used of this window's limit, as a share of the whole window's."""
        return self._used / (self.limit * self._window / 60)

    def advance(self, now: float) -> None:
        """Let time pass: close the windows that are over, and refill."""
        over = int((now - self._began) // self._window)
        for _ in range(min(over, 10)):  # after nine idle windows nothing is left to shrink
            self._close()
        self._began += over * self._window
        self.level = min(self.limit, self.level + (now - self._filled) * self.limit / 60)
        self._filled = now

    def _close(self) -> None:
        usage = self.usage
        if usage >= BUSY:
            self.scale = min(CEILING, self.scale * GROWTH)
        elif usage <= IDLE:
            self.scale = max(1.0, self.scale / SHRINKING)
        self._used = 0.0

    def take(self, amount: float) -> None:
        self.level -= amount
        self._used += amount

    def holds(self, amount: float, spare: float = 0.0) -> bool:
        """Whether so much may be taken; more than the whole limit counts as the whole."""
        return self.level + spare * self.limit >= min(amount, self.limit)

    def wait(self, amount: float, spare: float = 0.0) -> float:
        """Seconds until it holds so much."""
        missing = min(amount, self.limit) - self.level - spare * self.limit
        return max(0.0, missing * 60 / self.limit)

    def full_in(self) -> float:
        return (self.limit - self.level) * 60 / self.limit

    def window_left(self, now: float) -> float:
        return self._began + self._window - now


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is served, as which tier, and else when it may come again."""

    served_as: str = ""
    retry_after_seconds: int = 0

    @property
    def over_limit(self) -> bool:
        return self.served_as == "over-limit"


class Limits:
    """Requests and tokens per minute of one project."""

    def __init__(
        self, requests: float, tokens: float, now: float, window_seconds: float = WINDOW_SECONDS
    ) -> None:
        self.requests = Bucket(requests, window_seconds, now)
        self.tokens = Bucket(tokens, window_seconds, now)

    def admit(self, tokens: int, tier: str, now: float) -> Verdict:
        """Judge a request whose prompt has so many tokens, and take its credit where it is served."""
        self._advance(now)
        if tier in {"flex", "no-limit"}:
            return Verdict(tier)
        spare = SPARE if tier == "auto" else 0.0
        asked = ((self.requests, 1), (self.tokens, tokens))
        if not all(bucket.holds(amount, spare) for bucket, amount in asked):
            wait = max(bucket.wait(amount, spare) for bucket, amount in asked)
            return Verdict(retry_after_seconds=max(1, _whole(wait)))
        within = all(bucket.holds(amount) for bucket, amount in asked)
        for bucket, amount in asked:
            bucket.take(amount)
        return Verdict("default" if within else "over-limit")

    def settle(self, tokens: int, now: float) -> None:
        """Take what the answer cost."""
        self._advance(now)
        self.tokens.take(tokens)

    def headers(self, now: float) -> dict[str, str]:
        """What an answer says about the limits, with the units that live answers have."""
        self._advance(now)
        told = {"x-ratelimit-dynamic-period-remaining": f"{_whole(self.requests.window_left(now))}s"}
        for name, bucket in (("requests", self.requests), ("tokens", self.tokens)):
            told |= {
                f"x-ratelimit-limit-{name}": str(int(bucket.limit)),
                f"x-ratelimit-remaining-{name}": str(max(0, int(bucket.level))),
                f"x-ratelimit-reset-{name}": f"{_whole(bucket.full_in())}s",
                f"x-ratelimit-dynamic-scale-{name}": f"{bucket.scale:.3g}",
                f"x-ratelimit-dynamic-period-usage-{name}": f"{round(bucket.usage * 100)}%",
            }
        return told

    def _advance(self, now: float) -> None:
        self.requests.advance(now)
        self.tokens.advance(now)


def _whole(seconds: float) -> int:
    """Whole seconds that are enough; what a float is off by does not count."""
    return math.ceil(round(seconds, 6))
