"""From the configuration to plans: what each name stands for, and where else its calls may go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from app import config
from app.config.schema import split_route
from app.contracts import NO_WISHES, Hedging, Plan, Policy, Route, Shadow, Wishes
from app.decision import By, Decision
from app.errors import BadRequest
from app.routing.canary import Canary
from app.routing.manner import Manner, Manners
from app.routing.splits import Splits, Target

ENCODER = "router:encoder"
"""What the router's encoder is called in metrics and in the usage, where clients have a model's name and a key."""

SCENES_ENCODER = "scenes:encoder"
"""The same of the model that makes the vectors of scenes."""


def plans(settings: config.Config, manners: Manners) -> Mapping[str, Plan]:
    """The plan of each configured name, in the manner that the configuration gives to it.

    Raises ValueError where a template cannot be written with the variables that are set.
    """
    upstreams, bases = defaults(settings), manners_of_names(settings)
    found: dict[str, Plan] = {}
    for alias, model in settings.models.items():
        try:
            manner = manners.of(bases[alias])
        except BadRequest as wrong:
            raise ValueError(f"models.{alias}: {wrong.message}") from None
        routes = _Routes(alias, upstreams, manner)
        found[alias] = Plan(
            (routes.first(model), *routes.fallbacks(model, settings)),
            _policy(model),
            manner.lens,
            _decision(bases[alias], manner),
        )
    return found


def splits(settings: config.Config, manners: Manners, before: Mapping[str, Canary]) -> Mapping[str, Splits]:
    """How the calls of names are divided, in the same manner; a canary that was on trial before goes on so."""
    upstreams, bases = defaults(settings), manners_of_names(settings)
    found: dict[str, Splits] = {}
    for alias, model in settings.models.items():
        if not (model.split or model.canary or model.shadow):
            continue
        routes = _Routes(alias, upstreams, manners.of(bases[alias]))
        targets = [routes.target(split, "split", settings) for split in model.split]
        trial = None
        if model.canary is not None:
            targets.insert(0, routes.target(model.canary, "canary", settings))
            trial = _trial(alias, model.canary, targets[0].route, before.get(alias))
        shadow = None if model.shadow is None else _shadow(alias, model.shadow, routes, settings)
        share = 0.0 if model.shadow is None else model.shadow.share
        found[alias] = Splits(alias, model.sticky, targets, trial, shadow, share)
    return found


def _trial(alias: str, settings: config.Canary, route: Route, before: Canary | None) -> Canary:
    if before is not None and before.is_of(settings, route):
        return before
    return Canary(alias, settings, route)


def _shadow(alias: str, wanted: config.Shadow, routes: "_Routes", settings: config.Config) -> Shadow:
    """Under a name of its own: what it uses is not counted with the calls of clients."""
    route = routes.first(_named(wanted.to, settings))
    name = f"shadow:{alias}"
    route = replace(route, alias=name, reason="shadow")
    return Shadow(alias, route, wanted.concurrent, wanted.keep_text)


def offered(settings: config.Config, named: Mapping[str, Plan]) -> Mapping[str, Plan]:
    """What `auto` may choose: every configured name, and what modes name directly as upstream/model."""
    upstreams = defaults(settings)
    direct: dict[str, Plan] = {}
    for mode in settings.modes.values():
        for name in mode.models or ():
            if name not in named:
                upstream, model = split_route(name)
                routes = _Routes(f"{upstream}/*", upstreams, Manner())
                direct[name] = Plan((routes.first(config.Model(upstream=upstream, model=model)),))
    return {**named, **direct}


def encoder_plan(name: str, settings: config.Config, alias: str = ENCODER) -> Plan:
    """Where the gateway itself asks for vectors of this name, as `alias` in metrics and in the usage: its routes to the same model, since the vectors of another
    one say something else.
    """
    model = _named(name, settings)
    routes = _Routes(alias, defaults(settings), Manner())
    first = routes.first(model)
    others = [route for route in routes.fallbacks(model, settings) if route.model == first.model]
    return Plan((first, *others), replace(_policy(model), rescue=False, hedging=None))


def general(settings: config.Config) -> Sequence[str]:
    """The names that `auto` chooses from where a mode lists none: each model once, and names that have a mode or a
    template of their own only where there are no others.
    """
    plain = {
        (model.upstream, model.model): alias
        for alias, model in reversed(list(settings.models.items()))
        if not (model.mode or model.template)
    }
    return [alias for alias in settings.models if alias in plain.values()] or list(settings.models)


def manners_of_names(settings: config.Config) -> Mapping[str, Wishes]:
    """What the configuration itself asks for in the calls of each name."""
    return {
        alias: Wishes(model.mode or "", model.presets, model.template or "", model.variables)
        for alias, model in settings.models.items()
    }


def defaults(settings: config.Config) -> Mapping[str, Mapping[str, bytes]]:
    """What each upstream wants set. Nebius documents two different defaults for max_tokens, so one is always sent."""
    return {
        name: {"max_tokens": b"%d" % upstream.max_tokens} if isinstance(upstream, config.Nebius) else {}
        for name, upstream in settings.upstreams.items()
    }


def _policy(model: config.Model) -> Policy:
    hedge = model.hedge
    return Policy(
        retries=model.retries,
        attempts=model.attempts,
        timeout_seconds=model.timeout_seconds,
        rescue=model.rescue,
        hedging=None if hedge is None else Hedging(hedge.share, hedge.after_seconds),
        max_prompt_tokens=model.max_prompt_tokens,
    )


def _decision(base: Wishes, manner: Manner) -> Decision | None:
    """What a client is told where the configuration has a manner for this name."""
    if base == NO_WISHES:
        return None
    return Decision(base.mode, "alias", presets=manner.presets, template=manner.template)


@dataclass(frozen=True, slots=True)
class _Routes:
    """The routes of one name: the members of its manner are set in all of them, below the models' own `defaults`."""

    alias: str
    upstreams: Mapping[str, Mapping[str, bytes]]
    manner: Manner

    def first(self, model: config.Model) -> Route:
        own = {name: orjson.dumps(value) for name, value in model.defaults.items()}
        thinking = self.manner.thinking if model.thinking == "auto" else model.thinking
        return Route(
            model.upstream,
            model.model,
            self.alias,
            "configured",
            {**self.upstreams[model.upstream], **self.manner.members, **own},
            thinking=thinking or "auto",
            scenes=model.scenes or self.manner.scenes,
            codebook=model.codebook or "",
            hypertokens=model.hypertokens or "",
        )

    def fallbacks(self, model: config.Model, settings: config.Config) -> Iterator[Route]:
        """The routes behind the first. What a fallback falls back to itself is not followed."""
        for fallback in model.fallbacks:
            route = self.first(_named(fallback.to, settings))
            yield replace(
                route,
                reason=f"fallback to {fallback.to}",
                when=frozenset(fallback.when),
                spells=model.hypertokens or "",
            )

    def target(self, split: config.Split | config.Canary, by: By, settings: config.Config) -> Target:
        route = self.first(_named(split.to, settings))
        return Target(split.to, by, split.share, replace(route, reason=by))


def _named(name: str, settings: config.Config) -> config.Model:
    """A model that is referred to: one of the configuration's, or upstream/model."""
    model = settings.models.get(name)
    if model is None:
        upstream, own = split_route(name)
        model = config.Model(upstream=upstream, model=own)
    return model
