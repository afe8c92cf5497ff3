"""What is known of the upstreams while a call is routed: from what was heard of them before, so that nobody waits."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from app.contracts import ModelCard, Route, Source
from app.price_table import Price
from app.prices import Prices
from app.routing.listed import Listed, lacks
from app.routing.speed import Speed
from app.speeds import Speeds


@dataclass(frozen=True, slots=True)
class Heard:
    """The outlook of a setup: its upstreams and prices, what was listed last, how fast models were."""

    sources: Mapping[str, Source]
    prices: Prices
    listed: Callable[[], Listed]
    speeds: Speeds

    def operations(self, upstream: str) -> Collection[str]:
        return self.sources[upstream].operations

    def healthy(self, upstream: str) -> bool:
        """Whether one of its replicas may be asked; one without circuits always may."""
        circuits = self.sources[upstream].circuits()
        return not circuits or any(circuit.state != "open" for circuit in circuits)

    def card(self, upstream: str, model: str) -> ModelCard | None:
        return self.listed().card(upstream, model)

    def lacks(self, upstream: str, model: str) -> bool:
        """Whether the last list that was heard of it is without this model."""
        return lacks(self.sources[upstream].kind, self.listed().cards.get(upstream, {}), model)

    def adapters(self, upstream: str, model: str) -> Sequence[str]:
        """The LoRA adapters of a base, by the upstream's own names."""
        return [card.id for card in self.listed().adapters(upstream, model)]

    def speed(self, route: Route) -> Speed | None:
        return self.speeds.of(route)

    def price(self, route: Route) -> Price | None:
        return self.prices.of(route)
