"""What is counted, and where: the seam between the limiter and the memory or Redis that holds its counts.

Three kinds of counter, one rule: a call is admitted when `used + amount <= limit` holds for all of its counters,
and then all of them are raised; else none is. With `used` as of now:

    bucket   used(now) = max(0, used(at) - (now - at) * limit / period)      a minute, an hour
    window   used(now) = used, or 0 where a new day or month (UTC) has begun
    slots    used(now) = calls that run

Of what a call reserved, what it did not use is given back, but of a bucket no more than has not come back by itself
since; what it used beyond is owed, but of a bucket no more than `MOST_OWED` limits.

A bucket is the token bucket seen from its other side (GCRA with a burst of the whole limit): it empties evenly, so
what was used comes back as time passes, and whoever used nothing for a period has all of it. In any span of t
seconds it admits at most `limit + t * limit / period`; at one moment, exactly `limit`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Protocol, TypeAlias

from app.allowance import Period

CounterKind: TypeAlias = Literal["bucket", "window", "slots"]

BUCKET_SECONDS: dict[Period, float] = {"minute": 60.0, "hour": 3600.0}
"""The periods that refill as time passes; the others begin anew with the day or the month."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Something counted, its most, and how it is freed. `period` is a minute where nothing else is said."""

    name: str
    kind: CounterKind
    limit: int
    period: Period = "minute"


Demand: TypeAlias = tuple[Counter, int]
"""A counter, and how much of it is asked for; one call for slots."""


class Verdict(NamedTuple):
    """Whether the demands were met; all of them were, or none.

    `refused` is the first demand that could not be, `wait_seconds` when it could be (infinite where never: it asks for
    more than the whole limit). `used` is how much of each counter is used now, of the `share` of its limit that was
    judged by. `now` is the counters' own time, in seconds since 1970.
    """

    refused: int | None
    wait_seconds: float
    used: Sequence[float]
    now: float
    share: float = 1.0


class Gone(Exception):
    """What holds the counts did not answer in time, or not at all."""


MOST_OWED = 3.0
"""Limits that a bucket may be full of: an upstream that tells nonsense shuts nobody out for longer than so many periods."""


class Counters(Protocol):
    """Where counts are held. Both methods name the call that they are for by its `lease`.

    `share` is the part of each limit that is counted here, where others admit the rest; 1 where all count together.
    """

    @property
    def share(self) -> float: ...

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        """Meet all demands or none."""

    def give(self, demands: Sequence[Demand], used: Sequence[int], lease: str, verdict: Verdict) -> None:
        """The call is over and has used so much of each; the difference is given back, or taken on top. Slots are
        freed whatever `used` says. Returns at once; the counts follow.
        """

    def raise_to(self, counter: Counter, level: float) -> None:
        """At least so much of it counts as used, from now on. Returns at once; the count follows."""

    def lower_to(self, counter: Counter, level: float) -> None:
        """At most so much of it counts as used, from now on. Returns at once; the count follows."""


def raised(counter: Counter, share: float, used: float, level: float) -> float:
    """What is used of a counter that shall be at least so full."""
    return max(used, min(level, MOST_OWED * part(counter, share)))


def settled(counter: Counter, share: float, used: float, change: float, reserved: "Reserved") -> float:
    """What is used of a bucket or window once a reservation has changed by so much; `used` is as of now."""
    if counter.kind == "bucket":
        limit = part(counter, share)
        left = reserved.level - reserved.seconds_since * limit / BUCKET_SECONDS[counter.period]
        change = max(change, -min(max(left, 0.0), reserved.amount))
        return min(max(used + change, 0.0), max(used, MOST_OWED * limit))
    return max(used + change, 0.0)


class Reserved(NamedTuple):
    """What a call had reserved of a counter: how much, how full that made the counter, and how long ago."""

    amount: float
    level: float
    seconds_since: float


def part(counter: Counter, share: float) -> float:
    """A share of a limit: at least 1."""
    return counter.limit if share == 1 else max(1, int(counter.limit * share))


def wait_seconds(counter: Counter, limit: float, wanted: float, now: float) -> float:
    """When so much may be used, taken together: a second where that hangs on other calls."""
    if counter.kind == "slots":
        return 1.0
    if counter.kind == "window":
        return window_end(counter.period, now) - now
    return (wanted - limit) * BUCKET_SECONDS[counter.period] / limit


def reset_seconds(counter: Counter, limit: float, used: float, now: float) -> float:
    """When the counter is empty again."""
    if counter.kind == "slots":
        return 0.0
    if counter.kind == "window":
        return window_end(counter.period, now) - now
    return used * BUCKET_SECONDS[counter.period] / limit


def window_start(period: Period, now: float) -> float:
    """When the day or month that now is in began (UTC)."""
    return _window(period, now)[0]


def window_end(period: Period, now: float) -> float:
    """When it ends."""
    return _window(period, now)[1]


def _window(period: Period, now: float) -> tuple[float, float]:
    known = _LAST.get(period)
    if known is None or not known[0] <= now < known[1]:
        start = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        end = start + timedelta(days=1)
        if period == "month":
            start = start.replace(day=1)
            end = (start + timedelta(days=32)).replace(day=1)
        known = _LAST[period] = start.timestamp(), end.timestamp()
    return known


_LAST: dict[Period, tuple[float, float]] = {}
"""The day and the month that were asked for last: the calendar is slow."""
