"""What is known of the models that a key may ask for: from what upstreams list, their circuits, prices and the catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.contracts import Caller, ModelCard, Route
from app.health import State
from app.inventory import Stock, Stocks
from app.missing import Missing, missing_at
from app.price_table import Price
from app.routing.auto import AUTO
from app.routing.catalogue import Catalogue, Entry
from app.routing.listed import Listed, may_use, names
from app.setup import Setup


@dataclass(frozen=True, slots=True)
class Place:
    """An upstream that answers, its own name for the model, and how it is."""

    upstream: str
    model: str
    health: State


@dataclass(frozen=True, slots=True)
class Known:
    """A name, where its calls go, best first, and what is known of the model that is asked first.

    `names` mean the same. `entry` is the catalogue's; of a LoRA adapter it is that of its base.
    """

    id: str
    places: Sequence[Place]
    card: ModelCard
    available: bool
    names: Sequence[str] = ()
    entry: Entry | None = None
    context_tokens: int | None = None
    missing: Missing | None = None
    price: Price | None = None

    @property
    def health(self) -> State:
        """Healthy where all places are, unhealthy where none of them answers."""
        states = {place.health for place in self.places}
        return states.pop() if len(states) == 1 else "degraded"

    @property
    def modalities(self) -> Sequence[str] | None:
        return self.card.modalities or (None if self.entry is None else self.entry.modalities)

    @property
    def tools(self) -> bool | None:
        if self.card.features:
            return any("tool" in each or "function" in each for each in self.card.features)
        return None if self.entry is None else self.entry.tools


class Roster:
    """The names of a setup, and what the upstreams listed last."""

    def __init__(self, setup: Setup, stocks: Stocks, listed: Listed, catalogue: Catalogue) -> None:
        self._setup = setup
        self._stocks = stocks
        self._listed = listed
        self._catalogue = catalogue

    def of(self, caller: Caller) -> Iterator[Known]:
        """The configured names that this caller may use, every upstream's own models, and `auto`."""
        for alias, plan in self._setup.routing.names(caller).items():
            yield self._known(alias, plan.routes)
        for upstream, cards in self._listed.cards.items():
            for card in cards.values():
                if upstream in self._setup.sources and may_use(caller, upstream, card):
                    route = Route(upstream, card.id, f"{upstream}/*", "")
                    yield self._known(f"{upstream}/{card.id}", (route,), self._others(upstream, card))
        choices = [plan.routes[0] for plan in self._setup.routing.choices(caller).values()]
        if choices:
            yield Known(AUTO, self._places(choices), ModelCard(AUTO), available=True)

    def _others(self, upstream: str, card: ModelCard) -> Sequence[str]:
        """The other names of an upstream's model: `upstream/base:adapter`, and plain ones that no other has."""
        own, *composed = names(card)
        plain = [
            name
            for name in (own, *composed)
            if len(self._listed.addresses[name]) == 1 and name not in self._setup.settings.models
        ]
        return [*(f"{upstream}/{name}" for name in composed), *plain]

    def _known(self, name: str, routes: Sequence[Route], others: Sequence[str] = ()) -> Known:
        first = routes[0]
        stock = self._stocks.get(first.upstream, Stock())
        card = self._listed.card(first.upstream, first.model) or ModelCard(first.model)
        entry = self._catalogue.find(card.parent or card.id)
        return Known(
            name,
            self._places(routes),
            card,
            stock.failure is None,
            others,
            entry,
            self._context(first.upstream, card) or (entry.context_tokens if entry is not None else None),
            missing_at(self._setup.settings, stock, first, self._catalogue),
            self._setup.prices.of(first) or card.price,
        )

    def _places(self, routes: Sequence[Route]) -> Sequence[Place]:
        return [Place(route.upstream, route.model, self._health(route.upstream)) for route in routes]

    def _context(self, upstream: str, card: ModelCard) -> int | None:
        """As the upstream says it; an adapter has that of its base."""
        base = None if card.parent is None else self._listed.card(upstream, card.parent)
        return card.context_tokens or (None if base is None else base.context_tokens)

    def _health(self, upstream: str) -> State:
        if self._stocks.get(upstream, Stock()).failure is not None:
            return "unhealthy"
        source = self._setup.sources.get(upstream)
        states = set() if source is None else {circuit.state for circuit in source.circuits()}
        if states <= {"closed"}:
            return "healthy"
        return "unhealthy" if states == {"open"} else "degraded"


def by_name(known: Sequence[Known]) -> Mapping[str, Known]:
    """Each by all of its names; what is configured comes before what upstreams call theirs."""
    found: dict[str, Known] = {}
    for each in known:
        for name in (each.id, *each.names):
            found.setdefault(name, each)
    return found
