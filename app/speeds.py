"""How fast each model has answered, learned from the records of calls."""

from collections import OrderedDict

from app.contracts import Route
from app.journal import Attempt, Record
from app.routing.speed import Speed

_WEIGHT = 0.2
"""Of the newest answer in the mean: about the last ten count."""
_LEAST_TOKENS = 16
"""Of an answer whose rate says something."""
_MOST_ROUTES = 1000
_NOTHING = Speed(0.0)


class Speeds:
    """A reader of the journal: a moving mean for each upstream's model, of those that were asked last."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Speed] = OrderedDict()

    def read(self, record: Record) -> None:
        for attempt in record.attempts:
            if attempt.outcome != "ok" or not attempt.first_content or not attempt.sent_at:
                continue
            self._note(attempt.route, _speed(attempt, streams=record.streams))

    def of(self, route: Route) -> Speed | None:
        return self._known.get((route.upstream, route.model))

    def _note(self, route: Route, new: Speed) -> None:
        if new == _NOTHING:
            return
        key = (route.upstream, route.model)
        old = self._known.get(key)
        if old is not None:
            rate = _mean(old.tokens_a_second, new.tokens_a_second or old.tokens_a_second)
            first = _mean(old.first_seconds, new.first_seconds or old.first_seconds)
            new = Speed(first, rate)
        self._known[key] = new
        self._known.move_to_end(key)
        if len(self._known) > _MOST_ROUTES:
            self._known.popitem(last=False)


def _speed(attempt: Attempt, *, streams: bool) -> Speed:
    """A plain answer comes all at once: it says nothing of its first content, but how fast all of it was."""
    began = attempt.first_content if streams else attempt.sent_at
    tokens, writing = attempt.usage.output_tokens, attempt.ended - began
    rate = tokens / writing if tokens >= _LEAST_TOKENS and writing > 0 else 0.0
    return Speed(began - attempt.sent_at, rate)


def _mean(old: float, new: float) -> float:
    return new if not old else old + _WEIGHT * (new - old)
