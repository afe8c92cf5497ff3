"""How long to wait before a route is asked again, and how often an upstream may be."""

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

BASE_SECONDS = 0.25
LONGEST_SECONDS = 8.0
_JITTERED = wait_random_exponential(multiplier=BASE_SECONDS, max=LONGEST_SECONDS)
"""Full jitter: anything between nothing and 0.25 s, 0.5 s, 1 s ... (AWS, "Exponential Backoff And Jitter")."""
_RETRYING = AsyncRetrying()

_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s?", re.ASCII)

SPREAD = 0.1
"""By how much more than Retry-After is waited, so that those who were told the same do not come together."""


def pause_seconds(number: int, headers: Mapping[str, str], now: datetime) -> float:
    """The pause before retry `number` (from 1): what the upstream asks for, else growing, with jitter."""
    asked = retry_after_seconds(headers.get("retry-after", ""), now)
    if asked is not None:
        return asked + random.uniform(0, SPREAD * asked)  # noqa: S311 - not a secret
    state = RetryCallState(_RETRYING, None, (), {})
    state.attempt_number = number
    return float(_JITTERED(state))


def retry_after_seconds(value: str, now: datetime) -> float | None:
    """Retry-After in seconds or as a date (RFC 9110, 10.2.3); None where it is neither. `1s` is Nebius' way."""
    if found := _SECONDS.fullmatch(value.strip()):
        return float(found[1])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


class RetryBudget:
    """What bounds the retries against one upstream, so that an outage is not multiplied: each request earns a share of
    one, each second a little, and each retry spends one. Times in seconds.
    """

    SHARE = 0.2
    PER_SECOND = 0.5
    MOST = 20.0

    def __init__(self) -> None:
        self._left = self.MOST
        self._at = 0.0

    def earn(self) -> None:
        """A request came."""
        self._left = min(self._left + self.SHARE, self.MOST)

    def spend(self, now: float) -> bool:
        """Take one retry; False where there is none left."""
        self._left = (
            min(self._left + (now - self._at) * self.PER_SECOND, self.MOST) if self._at else self._left
        )
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
