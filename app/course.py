"""Where the attempts of one call go: after each failure the same route again, the next one, or nowhere. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from app import outcomes
from app.backoff import pause_seconds
from app.contracts import Plan, Route
from app.errors import ContextTooLong, Failure, UpstreamFailure, UpstreamLimited, UpstreamTimeout
from app.outcomes import Meaning

LONGEST_PAUSE_SECONDS = 10.0
"""Where an upstream asks for a longer pause, the next route is taken, or the client is told how long."""

SHORTEST_SECONDS = 0.02
"""With less than this left before the deadline nothing is begun."""

_SILENT = outcomes.meaning(UpstreamTimeout("silent"))


class Manner(Protocol):
    """How the attempts of one answer are asked."""

    @property
    def continuing(self) -> bool:
        """Whether they go on with an answer that broke."""

    @property
    def prefilled(self) -> bool:
        """Whether the last request could be put in another way: it ended with the assistant's own words."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done next: another attempt on the course's route, after a pause in seconds."""

    kind: Literal["retry", "fallback"]
    pause_seconds: float = 0.0


class Course:
    """The routes of one plan and how far they have been gone. `deadline` is a moment of the loop's clock."""

    def __init__(self, plan: Plan, deadline: float) -> None:
        self._routes = plan.routes
        self._policy = plan.policy
        self._at = 0
        self._retries = 0
        self._refused = False
        self._too_long: ContextTooLong | None = None
        self.deadline = deadline
        self.tried: frozenset[str] = frozenset()
        """The replicas that this call has failed at."""

    @property
    def route(self) -> Route:
        return self._routes[self._at]

    @property
    def other(self) -> Route:
        """The route of a second attempt beside the one on this route: the next that is taken for silence, or the same."""
        later = self._later(_SILENT)
        return self.route if later is None else self._routes[later]

    @property
    def refused(self) -> bool:
        """Whether the last attempt was refused as it was put."""
        return self._refused

    def patience(self, now: float) -> float:
        """Until when this route may be silent: half of the time that is left, while other routes stand by."""
        if self._at + 1 == len(self._routes):
            return self.deadline
        return now + (self.deadline - now) / 2

    def after(
        self, failure: Failure, made: int, now: float, may_retry: Callable[[], bool], asking: Manner
    ) -> Step:
        """What comes after this failure of attempt number `made`; `may_retry` spends of the upstream's budget.

        Raises the failure to be told where nothing comes any more.
        """
        if isinstance(failure, ContextTooLong):
            self._too_long = self._too_long or failure
        if isinstance(failure, UpstreamFailure) and failure.where:
            self.tried |= {failure.where}
        meaning = outcomes.meaning(failure)
        self._refused = meaning.error_class == "client"
        if made >= self._policy.attempts or now + SHORTEST_SECONDS > self.deadline:
            raise self._too_long or failure
        if asking.continuing and self._refused:  # what was refused are words of our own
            if asking.prefilled:
                return Step("retry")
            meaning = Meaning("server", moves_on=True)
        later = self._later(meaning)
        pause = self._pause(
            failure, meaning, alone=asking.continuing and meaning is _SILENT and later is None, later=later
        )
        if pause is not None and self._fits(pause, made, now) and may_retry():
            self._retries += 1
            return Step("retry", pause)
        if later is None:
            raise self._too_long or failure
        self._at, self._retries = later, 0
        return Step("fallback")

    def _pause(self, failure: Failure, meaning: Meaning, *, alone: bool, later: int | None) -> float | None:
        """How long to wait before this route is asked again; None where it shall not be.

        A silent route is asked again only where a broken answer has no other (`alone`), or by another replica.
        """
        if self._retries >= self._policy.retries:
            return None
        if isinstance(failure, UpstreamFailure):
            if failure.elsewhere:
                return 0.0
            if failure.blameless and isinstance(
                failure, UpstreamLimited
            ):  # it has waited already, or may not wait
                return None
            if failure.blameless and later is not None:  # an open circuit, a full pool: not worth waiting for
                return None
        if not (meaning.retries or alone):
            return None
        pause = pause_seconds(self._retries + 1, failure.headers, datetime.now(UTC))
        return pause if pause <= LONGEST_PAUSE_SECONDS else None

    def _fits(self, pause: float, made: int, now: float) -> bool:
        """Whether there is time for this pause, and an attempt left for each route behind this one."""
        left, behind = self._policy.attempts - made, len(self._routes) - 1 - self._at
        return left > behind and now + pause + SHORTEST_SECONDS < self.deadline

    def _later(self, meaning: Meaning) -> int | None:
        """The next route that is taken for a failure of this class."""
        if meaning.moves_on:
            for at in range(self._at + 1, len(self._routes)):
                when = self._routes[at].when
                if when is None or meaning.error_class in when:
                    return at
        return None
