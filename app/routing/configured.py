"""From the configuration to plans: what each name stands for, and where else its calls may go."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import orjson

from app import config
from app.config.schema import split_route
from app.contracts import Hedging, Plan, Policy, Route


def plans(settings: config.Config) -> Mapping[str, Plan]:
    """The plan of each configured name."""
    own = defaults(settings)
    return {alias: _plan(alias, model, settings, own) for alias, model in settings.models.items()}


def defaults(settings: config.Config) -> Mapping[str, Mapping[str, bytes]]:
    """What each upstream wants set. Nebius documents two different defaults for max_tokens, so one is always sent."""
    return {
        name: {"max_tokens": b"%d" % upstream.max_tokens} if isinstance(upstream, config.Nebius) else {}
        for name, upstream in settings.upstreams.items()
    }


def _plan(
    alias: str, model: config.Model, settings: config.Config, own: Mapping[str, Mapping[str, bytes]]
) -> Plan:
    hedge = model.hedge
    policy = Policy(
        retries=model.retries,
        attempts=model.attempts,
        timeout_seconds=model.timeout_seconds,
        rescue=model.rescue,
        hedging=None if hedge is None else Hedging(hedge.share, hedge.after_seconds),
    )
    first = _route(alias, model, own[model.upstream])
    return Plan((first, *_fallbacks(alias, model, settings, own)), policy)


def _fallbacks(
    alias: str, model: config.Model, settings: config.Config, own: Mapping[str, Mapping[str, bytes]]
) -> Iterator[Route]:
    """The routes behind the first. What a fallback falls back to itself is not followed."""
    for fallback in model.fallbacks:
        other = settings.models.get(fallback.to)
        if other is None:
            upstream, name = split_route(fallback.to)
            other = config.Model(upstream=upstream, model=name)
        route = _route(alias, other, own[other.upstream])
        yield replace(route, reason=f"fallback to {fallback.to}", when=frozenset(fallback.when))


def _route(alias: str, model: config.Model, own: Mapping[str, bytes]) -> Route:
    members = {name: orjson.dumps(value) for name, value in model.defaults.items()}
    return Route(
        model.upstream, model.model, alias, "configured", dict(own) | members, thinking=model.thinking
    )
