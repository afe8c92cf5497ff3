"""Models that the configuration names and their upstream does not have: taken away there, or misspelled here."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app import config
from app.config.schema import split_route
from app.contracts import Route
from app.health import Check
from app.inventory import Stock, Stocks
from app.routing.catalogue import Catalogue
from app.routing.listed import lacks

_log = logging.getLogger("hyperbridge")

REMINDER_SECONDS = 86_400.0
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Missing:
    """A setting, the model that it names, and what to name in its place ("" where nobody knows)."""

    setting: str
    alias: str
    upstream: str
    model: str
    successor: str = ""

    @property
    def said(self) -> str:
        return f"{self.setting}: {self.upstream} does not list {self.model}"

    @property
    def advice(self) -> str:
        if self.successor:
            return f"{self.setting}: {self.upstream} has {self.successor} in its place."
        return f"{self.setting}: name another model; GET /v1/models lists what {self.upstream} has."


def missing(settings: config.Config, stocks: Stocks, catalogue: Catalogue) -> Iterator[Missing]:
    """Every setting whose upstream has answered, and not with this model."""
    for setting, route in _routes(settings):
        found = missing_at(settings, stocks.get(route.upstream, Stock()), route, catalogue)
        if found is not None:
            yield replace(found, setting=setting)


def missing_at(settings: config.Config, stock: Stock, route: Route, catalogue: Catalogue) -> Missing | None:
    """What is missing for this route, by what its upstream listed; None where nothing is."""
    upstream = settings.upstreams.get(route.upstream)
    if upstream is None or stock.failure is not None:
        return None
    if not lacks(upstream.kind, {card.id for card in stock.cards}, route.model):
        return None
    return Missing("", route.alias, route.upstream, route.model, _successor(route.model, stock, catalogue))


def _routes(settings: config.Config) -> Iterator[tuple[str, Route]]:
    """Every route that a setting names, with the setting."""
    for alias, model in settings.models.items():
        yield f"models.{alias}", Route(model.upstream, model.model, alias, "")
        for place, other in model.others.items():
            if other not in settings.models:
                yield f"models.{alias}.{place}", Route(*split_route(other), alias, "")
    for setting, other in _of_the_router(settings):
        if other not in settings.models:
            yield setting, Route(*split_route(other), other, "")


def _of_the_router(settings: config.Config) -> Iterator[tuple[str, str]]:
    """The models that `auto` chooses from and asks, with the setting that names each."""
    for mode, wanted in settings.modes.items():
        for place, name in enumerate(wanted.models or ()):
            yield f"modes.{mode}.models[{place}]", name
    if settings.router.encoder is not None:
        yield "router.encoder.model", settings.router.encoder.model


def _successor(model: str, stock: Stock, catalogue: Catalogue) -> str:
    """What the upstream lists of the model that the catalogue names."""
    entry = catalogue.successor(model)
    if entry is None:
        return ""
    return next((card.id for card in stock.cards if catalogue.find(card.id) is entry), "")


class Roll:
    """Calls the roll of the configured models each time that lists were heard, and keeps who did not answer."""

    def __init__(
        self,
        settings: Callable[[], config.Config],
        catalogue: Catalogue,
        told: Callable[[Mapping[str, bool]], None],
    ) -> None:
        """`told` hears of each name of `models` whether the upstream of one of its routes lacks it."""
        self._settings = settings
        self._tell = told
        self._catalogue = catalogue
        self._missing: Sequence[Missing] = ()
        self._warned: dict[Missing, float] = {}

    def call(self, stocks: Stocks, now: float | None = None) -> None:
        """Look who is missing, and warn of each at once and then once a day. `now` is in seconds."""
        now = time.monotonic() if now is None else now
        settings = self._settings()
        self._missing = tuple(missing(settings, stocks, self._catalogue))
        gone = {each.alias for each in self._missing}
        self._tell({alias: alias in gone for alias in settings.models})
        self._warned = {each: self._warned[each] for each in self._missing if each in self._warned}
        for each in self._missing:
            if now - self._warned.get(each, -REMINDER_SECONDS) >= REMINDER_SECONDS:
                self._warned[each] = now
                _log.warning("%s. %s", each.said, each.advice)

    def check(self) -> Check:
        if not self._missing:
            return Check("models", "healthy", "none is missing at its upstream")
        shown = self._missing[:_SHOWN]
        more = len(self._missing) - len(shown)
        return Check(
            "models",
            "degraded",
            "; ".join([*(each.said for each in shown), *([f"and {more} more"] if more else [])]),
            " ".join(each.advice for each in shown),
        )
