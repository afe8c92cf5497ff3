"""What a call costs: the price of each route, from the configuration or from what is known of the model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app import config, price_table
from app.config.schema import split_route
from app.contracts import Route
from app.price_table import Price, PriceTable
from app.usage import Usage

FREE = Price(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by alias, upstream and model; by upstream and model; by upstream; by Nebius' catalogue; by alias and upstream.

    `version` is that of the catalogue.
    """

    version: str = ""
    named: Mapping[tuple[str, str, str], Price] = field(default_factory=dict)
    models: Mapping[tuple[str, str], Price] = field(default_factory=dict)
    upstreams: Mapping[str, Price | Mapping[str, Price]] = field(default_factory=dict)
    aliases: Mapping[tuple[str, str], Price] = field(default_factory=dict)

    def of(self, route: Route) -> Price | None:
        """What this route costs; None where nobody has said it. The first that knows:

        the model that was asked for, any other name of the same upstream's model, the upstream, its catalogue; and of
        another model of the same upstream that answers under a name, as a mode's LoRA adapter does, that name's own.
        """
        key = (route.upstream, route.model)
        price = self.named.get((route.alias, *key)) or self.models.get(key)
        if price is None:
            known = self.upstreams.get(route.upstream)
            price = known if known is None or isinstance(known, Price) else known.get(route.model)
        return price or self.aliases.get((route.alias, route.upstream))

    def cost(self, route: Route, usage: Usage) -> int:
        """Nano-dollars; 0 where no price is known."""
        price = self.of(route)
        return 0 if price is None else price.cost(usage)


def prices(settings: config.Config) -> Prices:
    """The prices of a configuration. Raises ValueError where `prices.file` is no catalogue."""
    known = price_table.read(settings.prices.file or price_table.SHIPPED)
    named: dict[tuple[str, str, str], Price] = {}
    models: dict[tuple[str, str], Price] = {}
    for alias, model in settings.models.items():
        for upstream, name, price in _said(model, settings):
            named[alias, upstream, name] = price
            models.setdefault((upstream, name), price)
    upstreams = {
        name: said for name, each in settings.upstreams.items() if (said := _of_upstream(each, known))
    }
    aliases = {
        (alias, model.upstream): _price(model.price)
        for alias, model in settings.models.items()
        if model.price is not None
    }
    return Prices(known.version, named, models, upstreams, aliases)


def _said(model: config.Model, settings: config.Config) -> Iterator[tuple[str, str, Price]]:
    """The routes of a model whose price the configuration says: its own first, then others that get its calls."""
    others = (settings.models.get(other) or _asked_directly(other) for other in model.others.values())
    for each in (model, *others):
        if each.price is not None:
            yield each.upstream, each.model, _price(each.price)


def _asked_directly(name: str) -> config.Model:
    upstream, model = split_route(name)
    return config.Model(upstream=upstream, model=model)


def _of_upstream(upstream: config.Upstream, known: PriceTable) -> Price | Mapping[str, Price] | None:
    """One price for all its models, or one for each that is known; what runs in this process costs nothing."""
    if not isinstance(upstream, config.HttpSettings):
        return FREE
    if upstream.price is not None:
        return _price(upstream.price)
    return known.prices if isinstance(upstream, config.Nebius) else None


def _price(price: config.Price) -> Price:
    return Price.of(price.input, price.output, price.cached)
