"""Rules that name a mode for a request that is like this; the first that fits is taken. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from app import config
from app.contracts import Caller
from app.routing.features import Features


@dataclass(frozen=True, slots=True)
class Rule:
    """A mode, and what must be true for it; `name` says which rule it is."""

    name: str
    mode: str
    when: config.When
    words: re.Pattern[str] | None

    @classmethod
    def of(cls, place: int, rule: config.ModeRule) -> "Rule":
        words = None
        if rule.when.keywords is not None:
            each = "|".join(map(re.escape, sorted(rule.when.keywords, key=len, reverse=True)))
            words = re.compile(rf"(?<!\w)(?:{each})(?!\w)", re.IGNORECASE)
        return cls(f"router.rules[{place}]", rule.mode, rule.when, words)

    def fits(self, seen: Features, caller: Caller, now: datetime) -> bool:
        """Whether all that it asks for is true; `now` is in UTC."""
        return all(self._tests(seen, caller, now))

    def _tests(self, seen: Features, caller: Caller, now: datetime) -> Iterator[bool]:
        when = self.when
        for wanted, found in (
            (when.images, seen.images > 0),
            (when.tools, seen.tools),
            (when.structured, seen.structured),
            (when.code, seen.code),
        ):
            yield wanted is None or wanted == found
        yield when.languages is None or seen.language in when.languages
        yield when.least_tokens is None or seen.prompt_tokens >= when.least_tokens
        yield when.most_tokens is None or seen.prompt_tokens <= when.most_tokens
        yield when.keys is None or caller.id in when.keys
        yield when.metadata is None or when.metadata.items() <= caller.metadata.items()
        yield when.hours is None or _within(when.hours, now.hour)
        yield self.words is None or self.words.search(seen.text) is not None


def rules(settings: config.Router) -> Sequence[Rule]:
    return [Rule.of(place, rule) for place, rule in enumerate(settings.rules)]


def _within(hours: str, hour: int) -> bool:
    """Whether this hour is from the first one on and before the last; they may lie around midnight."""
    first, last = map(int, hours.split("-"))
    return first <= hour < last if first <= last else hour >= first or hour < last
