"""Why a text would go where: what `hyperbridge router explain` writes, from the configuration alone."""

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from app import config
from app.contracts import Call, Caller, ModelCard, Route
from app.decision import Candidate
from app.errors import Failure
from app.operations import CHAT, OPERATIONS
from app.price_table import Price
from app.prices import Prices, prices
from app.routing.building import router
from app.routing.features import shown
from app.routing.kept import Kept
from app.routing.listed import NOTHING
from app.routing.router import Explanation
from app.routing.speed import Speed
from app.wire import Request
from app.wishes import wishes

_ANYBODY = Caller("anybody")
_LIKELIEST = 3
_SHARED = ("split", "canary")


def add(
    commands: Any,
    add_config: Callable[[argparse.ArgumentParser], None],
    load: Callable[[Path], config.Config],
) -> None:
    """Put the command under `hyperbridge router`."""
    explain = commands.add_parser("explain", help="say where a text would go by the configuration, and why")
    add_config(explain)
    explain.add_argument("text", help="what a user would say; - reads it from the standard input")
    explain.add_argument("--model", default="auto", help="the model that would be asked for (auto)")
    explain.add_argument("--mode", help="the mode that would be asked for")
    explain.set_defaults(run=lambda options: _explain(options, load(options.config)))


def _explain(options: argparse.Namespace, settings: config.Config) -> None:
    text = sys.stdin.read() if options.text == "-" else options.text
    body = {
        "model": options.model,
        "messages": [{"role": "user", "content": text}],
        "hyperbridge": {"mode": options.mode or ""},
    }
    try:
        explanation = explained(settings, body)
    except (Failure, ValueError, config.ConfigError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    for line in lines(explanation):
        print(line)
    if explanation.failure is not None:
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class Written:
    """An outlook without upstreams: all of them are well, and nothing but prices is known of them."""

    prices: Prices

    def operations(self, upstream: str) -> Collection[str]:
        return {operation.name for operation in OPERATIONS.values()}

    def healthy(self, upstream: str) -> bool:
        return True

    def card(self, upstream: str, model: str) -> ModelCard | None:
        return None

    def lacks(self, upstream: str, model: str) -> bool:
        return False

    def adapters(self, upstream: str, model: str) -> Collection[str]:
        return ()

    def speed(self, route: Route) -> Speed | None:
        return None

    def price(self, route: Route) -> Price | None:
        return self.prices.of(route)


def explained(settings: config.Config, body: Mapping[str, object]) -> Explanation:
    """What would be decided for this chat. Raises BadRequest where it is none, ValueError and ConfigError where a file
    that the configuration names cannot be used.
    """
    request = Request.parse(msgspec.json.encode(body), CHAT)
    call = Call("", CHAT, request.for_upstreams(), _ANYBODY, (), 0.0, wishes=wishes({}, request))
    return router(settings, lambda: NOTHING, Written(prices(settings)), Kept()).explain(call)


def lines(explanation: Explanation) -> Iterator[str]:
    """An explanation for people."""
    decision, plan = explanation.decision, explanation.plan
    seen = (f"{name}={value}" for name, value in shown(explanation.features).items() if value)
    yield f"seen        {', '.join(seen)}"
    if decision is not None:
        yield f"mode        {decision.mode or 'none'} (by {decision.rule or decision.by})"
        likely = sorted(decision.probabilities.items(), key=lambda pair: -pair[1])[:_LIKELIEST]
        if likely:
            yield f"likely      {', '.join(f'{mode} {probability:.2f}' for mode, probability in likely)}"
        if explanation.words:
            yield f"because of  {', '.join(map(repr, explanation.words))}"
        for candidate in decision.candidates:
            yield _told(candidate)
    if explanation.failure is not None:
        yield f"refused     {explanation.failure.message}"
    if plan is not None:
        yield f"goes to     {', then '.join(map(_place, plan.routes))}"
        if plan.shadow is not None:
            yield f"shadow      {_place(plan.shadow.route)}"
        members = ", ".join(f"{name} {value.decode()}" for name, value in plan.routes[0].defaults.items())
        yield f"with        {members or 'no parameters'}; thinking {plan.routes[0].thinking}"
        yield f"lens        {len(plan.lens)} characters"


def _place(route: Route) -> str:
    """Where it goes; why, where a share of the name's calls goes there."""
    return f"{route.upstream}/{route.model}{f' ({route.reason})' if route.reason in _SHARED else ''}"


def _told(candidate: Candidate) -> str:
    if candidate.against:
        return f"  not       {candidate.name}: {', '.join(candidate.against)}"
    return f"  {candidate.score:.3f}     {candidate.name}: {', '.join(candidate.reasons)}"
