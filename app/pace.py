"""How fast an upstream may be asked: its own limit as far as it tells it, else the configured one. Pure.

Moments are passed in, in seconds of any clock that does not go back.
"""

from dataclasses import dataclass

from app.ratelimit_headers import Level

FORGET_SECONDS = 1800.0
"""What an upstream said so long ago says nothing any more."""

WINDOW_SECONDS = 900.0
IDLE = 0.5
SHRINKING = 1.5
"""Nebius' windows: where at most half of a limit was used in one, the next has a limit that is 1.5 times smaller."""

OVER = 2.0
"""How much more than the limit is taken to be used where an answer was given beyond it."""

RAISED_SECONDS = 60.0
"""For how long a limit is taken to be what others show it to be."""

LEAST_SHARE = 0.1
WARNED_SHARE = 0.98
REFUSED_SHARE = 0.9
RECOVERY_PER_SECOND = 0.05 / 60
"""How caution grows and goes: a warning takes 2 % of the pace, a refusal 10 %, and 5 % come back each minute."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What was told, of the moment at which the call that was told it had been asked."""

    level: Level
    asked: float
    window_end: float
    granted: int
    """How many calls this worker had let go until then."""
    counted: float
    """How much was used then, at the upstream."""


class Pace:
    """One limit a minute of one upstream, in this worker."""

    def __init__(self, configured: int | None) -> None:
        self._configured = configured
        self._heard: _Heard | None = None
        self._raised = 0
        self._raised_until = 0.0

    def limit(self, now: float) -> int | None:
        """The limit in force; None where there is none."""
        limit = self._told_or_configured(now)
        return limit if limit is None or now >= self._raised_until else max(limit, self._raised)

    def raise_to(self, limit: int, now: float) -> None:
        """Other workers use more than is known here: they were told of a larger limit. So it is until news come."""
        self._raised, self._raised_until = limit, now + RAISED_SECONDS

    def _told_or_configured(self, now: float) -> int | None:
        heard = self._heard
        if heard is None or now - heard.asked > FORGET_SECONDS:
            return self._configured
        level = heard.level
        if now < heard.window_end or level.base == level.limit:
            return level.limit
        idle = int((now - heard.window_end) / WINDOW_SECONDS) + 1
        if level.usage is None or level.usage > IDLE:
            idle -= 1
        return max(level.base, int(level.limit / SHRINKING**idle))

    def hear(self, level: Level, window_end: float, asked: float, granted: int) -> bool:
        """A call that was asked at this moment was told so; news that are older than the last say nothing (False)."""
        if self._heard is not None and asked < self._heard.asked:
            return False
        self._heard = _Heard(level, asked, window_end, granted, _counted(level))
        self._raised_until = 0.0
        return True

    def used(self, now: float, granted: int) -> float:
        """How much of it is used at the upstream, at least, by all who share the account, as far as is known.

        What it had counted when it was asked, and the calls since then, less what has come back. Counts are told in whole
        numbers, so this may be one too many. Above the limit only where the upstream itself says so.
        """
        heard = self._heard
        if heard is None or now - heard.asked > FORGET_SECONDS:
            return 0.0
        limit = heard.level.limit
        back = (now - heard.asked) * limit / 60
        counted = max(0.0, heard.counted - back)
        since = granted - heard.granted - max(0.0, back - heard.counted)
        return max(counted, min(float(limit), counted + max(0.0, since)))


def _counted(level: Level) -> float:
    """What was used of it. Nothing is less than 0 left, but what takes longer than a minute to come back is owed, and
    who was served beyond the limit owes at least that.
    """
    if level.remaining is None:
        return 0.0
    if level.remaining == 0 and level.reset_seconds is not None and level.reset_seconds > _FULL_SECONDS:
        return (level.reset_seconds - 1) * level.limit / 60
    return level.limit - level.remaining + (OVER if level.over else 0.0)


_FULL_SECONDS = 61.0
"""A minute, and the second that resets are rounded up by."""


SMOOTHING = 0.2
FEWEST_TURNS = 3


class Rhythm:
    """How long it really takes from one turn to the next where calls wait: others may use the same budget, and the other
    calls be larger or smaller than the one that asks.
    """

    def __init__(self, now: float) -> None:
        self._last = now
        self._turns = 0
        self._gap_seconds = 0.0

    def turn(self, now: float, longest_seconds: float) -> None:
        """One went now; what took longer than the longest was a pause, and says nothing."""
        gap, self._last = now - self._last, now
        if gap <= longest_seconds:
            self._turns += 1
            self._gap_seconds += (gap - self._gap_seconds) * max(SMOOTHING, 1 / self._turns)

    @property
    def gap_seconds(self) -> float | None:
        """Once a few have gone."""
        return self._gap_seconds if self._turns >= FEWEST_TURNS else None


class Caution:
    """What share of the limit is used: less after a warning, less still after a refusal, all of it again with time.

    One share is taken for all calls that were asked before the last cut: they were told of the same excess.
    """

    def __init__(self) -> None:
        self._share = 1.0
        self._at = 0.0
        self._cut = float("-inf")

    def share(self, now: float) -> float:
        return min(1.0, self._share + (now - self._at) * RECOVERY_PER_SECOND) if self._share < 1 else 1.0

    def warn(self, asked: float, now: float) -> None:
        """A call that was asked at this moment was served beyond the limit."""
        self._take(WARNED_SHARE, asked, now)

    def refuse(self, asked: float, now: float) -> None:
        """It was refused."""
        self._take(REFUSED_SHARE, asked, now)

    def _take(self, share: float, asked: float, now: float) -> None:
        if asked > self._cut:
            self._share = max(LEAST_SHARE, self.share(now) * share)
            self._at = self._cut = now
