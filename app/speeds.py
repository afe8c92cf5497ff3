"""How fast each model has answered, learned from the records of calls."""

from collections import OrderedDict

from app.contracts import Route
from app.journal import Record
from app.routing.speed import Speed

_WEIGHT = 0.2
"""Of the newest answer in the mean: about the last ten count."""
_LEAST_TOKENS = 16
"""Of an answer whose rate says something."""
_MOST_ROUTES = 1000


class Speeds:
    """A reader of the journal: a moving mean for each upstream's model, of those that were asked last."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Speed] = OrderedDict()

    def read(self, record: Record) -> None:
        for attempt in record.attempts:
            if attempt.outcome != "ok" or not attempt.first_content or not attempt.sent_at:
                continue
            writing = attempt.ended - attempt.first_content
            tokens = attempt.usage.output_tokens
            rate = tokens / writing if record.streams and tokens >= _LEAST_TOKENS and writing > 0 else 0.0
            self._note(attempt.route, Speed(attempt.first_content - attempt.sent_at, rate))

    def of(self, route: Route) -> Speed | None:
        return self._known.get((route.upstream, route.model))

    def _note(self, route: Route, new: Speed) -> None:
        key = (route.upstream, route.model)
        old = self._known.get(key)
        if old is not None:
            rate = _mean(old.tokens_a_second, new.tokens_a_second or old.tokens_a_second)
            new = Speed(_mean(old.first_seconds, new.first_seconds), rate)
        self._known[key] = new
        self._known.move_to_end(key)
        if len(self._known) > _MOST_ROUTES:
            self._known.popitem(last=False)


def _mean(old: float, new: float) -> float:
    return new if not old else old + _WEIGHT * (new - old)
