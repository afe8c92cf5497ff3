"""Canaries as the journal shows them: judged by their attempts, told where one is rolled back."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from app.health import Check
from app.journal import Attempt, Record
from app.outcomes import MOVING
from app.routing.canary import Canary

_log = logging.getLogger("hyperbridge")
_NOBODY = frozenset({"", "cancelled"})
"""How an attempt ends that says nothing about the model."""


class Canaries:
    """A reader of the journal; `on_trial` are the canaries of the configuration in force."""

    def __init__(self, on_trial: Callable[[], Mapping[str, Canary]]) -> None:
        self._on_trial = on_trial

    def read(self, record: Record) -> None:
        for attempt in record.attempts:
            if attempt.route.reason == "canary":
                canary = self._on_trial().get(attempt.route.alias)
                if canary is not None and canary.is_at(attempt.route):
                    _note(canary, attempt, streams=record.streams)

    def rolled_back(self) -> Mapping[str, bool]:
        """Of each name with a canary, whether that one is rolled back."""
        return {name: bool(canary.verdict) for name, canary in self._on_trial().items()}

    def checks(self) -> Sequence[Check]:
        return [_check(canary) for canary in self._on_trial().values()]


def _note(canary: Canary, attempt: Attempt, *, streams: bool) -> None:
    if attempt.outcome in _NOBODY:
        return
    first = attempt.first_content - (attempt.sent_at or attempt.started)
    is_timed = streams and attempt.first_content
    failed = attempt.outcome in MOVING
    if canary.note(time.monotonic(), failed=failed, first_seconds=first if is_timed else None):
        _log.warning(
            "the canary of models.%s (%s) is rolled back: %s",
            canary.alias,
            canary.settings.to,
            canary.verdict,
        )


def _check(canary: Canary) -> Check:
    name, to = f"canary:{canary.alias}", canary.settings.to
    if not canary.verdict:
        return Check(name, "healthy", f"{to} is on trial with {canary.settings.share:.1%} of the calls")
    return Check(
        name,
        "degraded",
        f"{to} is rolled back: {canary.verdict}",
        f"Look into {to}, then change models.{canary.alias}.canary, or take it out: any change of it begins a new trial.",
    )
