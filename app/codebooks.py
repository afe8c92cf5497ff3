"""Which codebook a conversation has: the one of its model as it was when the conversation began, where that pays."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from app.codecs.vocabularies import Vocabularies
from app.contracts import Call, Route
from app.prices import Prices
from app.routing.features import conversation
from app.routing.kept import MOST_CONVERSATIONS
from app.system_text import BETWEEN
from scenes.codebook.book import Codebook
from scenes.economy import Outlook, expected_saving, gain

ENCODE_SECONDS = 0.0002
"""What it takes to look for a book's phrases in the 4 KB that a turn adds; what was said before is remembered."""

MOST_KNOWN = 10_000
"""Books with a model and a price, of which it is known whether they pay; beyond that all are asked about anew."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a conversation has: a codebook or none; and why it has none though its model has one, in one word."""

    book: Codebook | None = None
    why: str = ""


Conversation: TypeAlias = tuple[str, str, str, str]
"""By its name, the model's configured one, its upstream, and its name there."""

NOTHING = Held()


class Epochs:
    """What the conversations of this worker began with: those that were heard of last. Several threads may use it at once."""

    def __init__(self, most: int = MOST_CONVERSATIONS) -> None:
        self._most = most
        self._held: OrderedDict[Conversation, Held] = OrderedDict()
        self._lock = Lock()

    def of(self, key: Conversation) -> Held | None:
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
            return held

    def begin(self, key: Conversation, held: Held) -> Held:
        """What it has from here on: this, where it has not begun in the meantime."""
        with self._lock:
            held = self._held.setdefault(key, held)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
            return held


class Worth:
    """Whether a book is worth its legend in a route's conversations: the same for all of them, and in every process."""

    def __init__(self, vocabularies: Vocabularies, prices: Prices, turns: int) -> None:
        """`turns` are expected of a conversation."""
        self._vocabularies = vocabularies
        self._prices = prices
        self._turns = turns
        self._known: dict[tuple[str, str, float], bool] = {}

    def of(self, book: Codebook, route: Route) -> bool:
        """Raises Unreadable where the model's vocabulary cannot be counted with."""
        cached = self._cached_price(route)
        key = (book.digest, route.model, cached)
        known = self._known.get(key)
        if known is not None:
            return known
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        pays = all(gain(each) > 0 for each in self._outlooks(book, route.model, cached))
        self._known[key] = pays
        return pays

    def _outlooks(self, book: Codebook, model: str, cached: float) -> list[Outlook]:
        """As each of the model's counters sees it."""
        return [
            Outlook(
                counter.count(BETWEEN + book.legend),
                expected_saving(book, counter),
                self._turns,
                cached_price=cached,
                encode_seconds=ENCODE_SECONDS,
            )
            for counter in self._vocabularies.counters(model)
        ]

    def _cached_price(self, route: Route) -> float:
        """Of a token, in the price of one that is read anew; 1 where nobody knows: then nothing is taken to be cheaper."""
        price = self._prices.of(route)
        return price.cached / price.input if price is not None and price.input else 1.0


class Codebooks:
    """The codebooks of a configuration, by the names that models give them."""

    def __init__(self, named: Mapping[str, Codebook], worth: Worth, epochs: Epochs) -> None:
        """`epochs` lasts: conversations go on with what they began with under another configuration, too."""
        self._named = named
        self._worth = worth
        self._epochs = epochs

    def of(self, call: Call, route: Route) -> Held:
        """What the call's conversation has with this route, from here on. Raises Unreadable."""
        key, held = _key(call, route), self.seen(call, route)
        return held if key is None or held is NOTHING else self._epochs.begin(key, held)

    def seen(self, call: Call, route: Route) -> Held:
        """What it has, or would begin with now. Raises Unreadable."""
        key = _key(call, route)
        held = None if key is None else self._epochs.of(key)
        if held is not None:
            return held
        book = self._named.get(route.codebook)
        if book is None:
            return NOTHING
        return Held(book) if self._worth.of(book, route) else Held(why="legend")


def _key(call: Call, route: Route) -> Conversation | None:
    named = conversation(call)
    return (named, route.alias, route.upstream, route.model) if named else None
