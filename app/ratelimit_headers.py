"""What an upstream says of its rate limits in the head of an answer: OpenAI's headers, and Nebius' dynamic ones. Pure.

Live values carry units (`1s`, `900s`, `2%`, `6m0s`, `20ms`); a plain number is a count or seconds. What makes no sense
is as good as not said: whatever a server sends, no limit here is 0, nothing is negative or infinite, and no pause is
longer than `LONGEST_PAUSE_SECONDS`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from app.backoff import retry_after_seconds

Told: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Header lines, names in lower case."""

Measure: TypeAlias = Literal["requests", "tokens"]

PREFIX = b"x-ratelimit-"
MOST = 10**12
"""Above this a number is no limit a minute."""
LONGEST_SECONDS = 86_400.0
LONGEST_PAUSE_SECONDS = 60.0
"""Who is told to wait longer asks once in so long: a broken header must not shut an upstream out."""
LONGEST_MINUTE_SECONDS = 120.0
"""Where a limit takes longer than this to refill it is one of an hour or a day (Groq, OpenAI's free tier)."""

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NUMBER = re.compile(r"\d{1,16}(?:\.\d{1,9})?", re.ASCII)
_PART = re.compile(r"(\d{1,16}(?:\.\d{1,9})?)(ms|us|ns|[dhms])", re.ASCII)
_YES = frozenset({"yes", "true", "1"})


@dataclass(frozen=True, slots=True)
class Level:
    """One limit a minute, at least 1, and what is left of it; `base` is what it never falls below.

    `usage` is the share of the window's limit that was used so far; None where it was not said. `over` says that an answer
    was given beyond it.
    """

    limit: int
    remaining: int | None = None
    reset_seconds: float | None = None
    base: int = 1
    usage: float | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer said. `window_seconds` is how long the limits stay as they are, where that was said."""

    requests: Level | None = None
    tokens: Level | None = None
    window_seconds: float | None = None
    over_limit: bool = False

    def of(self, measure: Measure) -> Level | None:
        return self.requests if measure == "requests" else self.tokens


def told(headers: Told) -> Told:
    """The headers that are about limits."""
    return [header for header in headers if header[0].startswith(PREFIX)]


def limits(headers: Told) -> Limits:
    """What these headers say."""
    found = {
        name.removeprefix(PREFIX).decode("latin-1"): value.decode("latin-1").strip()
        for name, value in headers
        if name.startswith(PREFIX)
    }
    over = found.get("over-limit", "").lower() in _YES
    return Limits(
        _level(found, "requests", over=over),
        _level(found, "tokens", over=over),
        duration(found.get("dynamic-period-remaining", "")),
        over,
    )


def pause_seconds(retry_after: str, said: Limits, now: datetime | None = None) -> float | None:
    """How long a 429 asks to wait: by its Retry-After, else until what is spent is there again; None where it says nothing."""
    asked = duration(retry_after)
    if asked is None and retry_after:
        asked = retry_after_seconds(retry_after, now or datetime.now(UTC))
    if asked is None:
        spent = [
            level for level in (said.requests, said.tokens) if level is not None and level.remaining == 0
        ]
        resets = [level.reset_seconds for level in spent if level.reset_seconds is not None]
        asked = max(resets, default=None)
    return None if asked is None else min(max(asked, 0.0), LONGEST_PAUSE_SECONDS)


def duration(text: str) -> float | None:
    """Seconds, of a plain number or of numbers with units; None for anything else."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return min(float(text), LONGEST_SECONDS)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return min(math.fsum(float(number) * _UNITS[unit] for number, unit in parts), LONGEST_SECONDS)


def _level(found: Mapping[str, str], measure: Measure, *, over: bool) -> Level | None:
    limit = _number(found.get(f"limit-{measure}", ""))
    if limit is None or not 1 <= limit <= MOST:
        return None
    remaining = _number(found.get(f"remaining-{measure}", ""))
    reset = duration(found.get(f"reset-{measure}", ""))
    scale = _number(found.get(f"dynamic-scale-{measure}", "").removesuffix("x"))
    usage = _share(found.get(f"dynamic-period-usage-{measure}", ""))
    level = Level(
        int(limit),
        None if remaining is None else int(min(remaining, limit)),
        reset,
        max(1, int(limit / scale)) if scale is not None and scale >= 1 else int(limit),
        usage,
        over and remaining == 0,
    )
    return level if _of_a_minute(level) else None


def _of_a_minute(level: Level) -> bool:
    """Whether it refills about each minute, as far as that can be seen; resets are rounded up to a second."""
    if level.remaining is None or level.reset_seconds is None or level.remaining == level.limit:
        return True
    used = level.limit - level.remaining
    return (level.reset_seconds - 1) * level.limit / used <= LONGEST_MINUTE_SECONDS


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _share(text: str) -> float | None:
    """`2%`, or the number alone."""
    percent = _number(text.removesuffix("%").strip())
    return None if percent is None else min(percent / 100, 1000.0)
