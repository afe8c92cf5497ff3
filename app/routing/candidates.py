"""The models that could answer a call: what speaks for and against each, and the best first. Pure."""

import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.config.routing import OrderedBy, Task, Weights
from app.contracts import Caller, ModelCard, Plan, Route
from app.decision import Candidate
from app.operations import Operation
from app.price_table import Price
from app.routing.catalogue import Entry
from app.routing.features import Features
from app.routing.speed import Speed
from app.usage import Usage

ANSWER_TOKENS = 500
"""Of an answer whose bound is not known."""
FORBIDDEN = "the key may not use it"
DOWN = "its upstream is down"
UNLISTED = "its upstream does not list it"
DOUBTS = frozenset((DOWN, UNLISTED))
"""Objections that are dropped where no model is left without. A circuit may have closed again, and a list may be old or
hide what its server has: whoever asks for the model by its name is let through to its upstream, so `auto` is, too. What
really is gone answers 404, and the next route is taken.
"""

TASKS_OF: Mapping[str, Sequence[Task]] = {"embeddings": ("embedding",), "rerank": ("rerank",)}
"""What a model must be good at for operations whose models do nothing else."""

_SPECIAL: frozenset[Task] = frozenset(task for tasks in TASKS_OF.values() for task in tasks)
_MOST_STARS = 5.0
_UNKNOWN_QUALITY = 0.5
_ABILITY_WEIGHT = 0.8
"""How much the strengths asked for weigh beside the model's quality in all."""
_RATES = {1: 15.0, 2: 25.0, 3: 40.0, 4: 70.0, 5: 120.0}
"""Tokens a second that the catalogue's five speeds stand for, until the model's own is known."""
_FIRST_SECONDS = 1.0
_NANO = 1_000_000_000
_CHEAP_NANO_USD = 1_000_000
"""A tenth of a cent: what costs as much has half of the best score."""


class Outlook(Protocol):
    """What is known of the upstreams while a call is routed; it answers at once, from what was heard before."""

    def operations(self, upstream: str) -> Collection[str]: ...

    def healthy(self, upstream: str) -> bool: ...

    def card(self, upstream: str, model: str) -> ModelCard | None: ...

    def lacks(self, upstream: str, model: str) -> bool: ...

    def adapters(self, upstream: str, model: str) -> Collection[str]: ...

    def speed(self, route: Route) -> Speed | None: ...

    def price(self, route: Route) -> Price | None: ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A name that may be chosen, what stands behind it, and what the catalogue knows of that."""

    name: str
    plan: Plan
    entry: Entry | None = None

    @property
    def route(self) -> Route:
        return self.plan.routes[0]


@dataclass(frozen=True, slots=True)
class Need:
    """What a call asks of a model. `lens_tokens` are put before its prompt, `members` (JSON text) are set in it above what
    the route sets. An answer that nobody bounds is reserved `output_tokens`.
    """

    operation: Operation
    caller: Caller
    features: Features
    tasks: Sequence[Task] = ()
    output_tokens: int = ANSWER_TOKENS
    lens_tokens: int = 0
    members: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def prompt_tokens(self) -> int:
        return self.features.prompt_tokens + self.lens_tokens

    @property
    def answer_tokens(self) -> int:
        return self.features.answer_tokens or ANSWER_TOKENS

    def bound(self, route: Route) -> int:
        """The most tokens that its answer may have there: by the client, else by what is set; 0 where nobody says."""
        if self.features.answer_tokens or not self.operation.streams:
            return self.features.answer_tokens
        own = {**route.defaults, **self.members}.get("max_tokens", b"")
        return int(own) if own.isdigit() else 0

    def reserved(self, route: Route) -> Usage:
        """What the limits reserve for it there."""
        return Usage(self.prompt_tokens, self.bound(route) or self.output_tokens)


@dataclass(frozen=True, slots=True)
class Order:
    """What models are ordered by; the weights are those of `weighted`."""

    by: OrderedBy
    weights: Weights


def candidates(offers: Sequence[Offer], need: Need, order: Order, outlook: Outlook) -> Sequence[Candidate]:
    """Every offer with its score from 0 to 1; those that nothing speaks against come first, the best before all."""
    found = [_candidate(offer, need, order, outlook) for offer in offers]
    return sorted(found, key=lambda each: (bool(each.against), -each.score))


def _candidate(offer: Offer, need: Need, order: Order, outlook: Outlook) -> Candidate:
    route = offer.route
    usage = Usage(need.prompt_tokens, need.answer_tokens)
    price = outlook.price(route)
    nano_usd = None if price is None else price.cost(usage)
    quality, why_quality = _quality(offer.entry, need.tasks)
    seconds, why_seconds = _seconds(offer.entry, outlook.speed(route), need.answer_tokens)
    scores = {
        "quality": quality,
        "fastest": 1 / (1 + seconds),
        "cheapest": 0.0 if nano_usd is None else _CHEAP_NANO_USD / (_CHEAP_NANO_USD + nano_usd),
    }
    cost = "price unknown" if nano_usd is None else f"about ${nano_usd / _NANO:.6f}"
    return Candidate(
        offer.name,
        route.upstream,
        route.model,
        round(_score(scores, order), 4),
        (why_quality, why_seconds, cost),
        tuple(objections(offer, need, outlook)),
    )


def _score(scores: Mapping[str, float], order: Order) -> float:
    if order.by != "weighted":
        return scores[order.by]
    weights = order.weights
    parts = (
        (weights.quality, scores["quality"]),
        (weights.speed, scores["fastest"]),
        (weights.cost, scores["cheapest"]),
    )
    total = sum(weight for weight, _ in parts)
    return sum(weight * score for weight, score in parts) / total if total else 0.0


def _quality(entry: Entry | None, tasks: Sequence[Task]) -> tuple[float, str]:
    if entry is None:
        return _UNKNOWN_QUALITY, "not in the catalogue"
    stars = {task: entry.strengths.get(task, entry.quality / 2) for task in tasks}
    ability = statistics.fmean(stars.values()) if stars else entry.quality
    score = _ABILITY_WEIGHT * ability + (1 - _ABILITY_WEIGHT) * entry.quality
    said = ", ".join([
        *(f"{task} {value:g}/5" for task, value in stars.items()),
        f"quality {entry.quality}/5",
    ])
    return score / _MOST_STARS, said


def _seconds(entry: Entry | None, speed: Speed | None, tokens: int) -> tuple[float, str]:
    if speed is not None and speed.tokens_a_second:
        seconds, how = speed.seconds(tokens), "measured"
    else:
        rate = _RATES[entry.speed if entry is not None else 3]
        first = _FIRST_SECONDS if speed is None else speed.first_seconds
        seconds, how = first + tokens / rate, "by the catalogue"
    return seconds, f"about {seconds:.1f} s ({how})"


def objections(offer: Offer, need: Need, outlook: Outlook) -> Iterator[str]:
    """What keeps this model from answering the call."""
    route = offer.route
    if not need.caller.may_use(offer.name):
        yield FORBIDDEN
    if need.operation.name not in outlook.operations(route.upstream):
        yield f"does not offer {need.operation.path}"
    card = outlook.card(route.upstream, route.model)
    yield from _unable(offer.entry, card, need)
    yield from _too_long(offer, card, need)
    most = min((bound.amount for bound in need.caller.allowance.usd), default=None)
    price = None if most is None else outlook.price(route)
    nano_usd = 0 if price is None else price.cost(need.reserved(route))
    if most is not None and nano_usd > most:
        yield f"costs about ${nano_usd / _NANO:.4f}, more than the key's whole budget of ${most / _NANO:.4f}"
    if outlook.lacks(route.upstream, route.model):
        yield UNLISTED
    if not outlook.healthy(route.upstream):
        yield DOWN


def _unable(entry: Entry | None, card: ModelCard | None, need: Need) -> Iterator[str]:
    """What it is asked for and does not do; a model that is not known is taken to do all but images."""
    seen = need.features
    if entry is not None and not _is_made_for(need.operation, entry):
        yield f"is not made for {need.operation.path}"
    if seen.images and not _takes_images(entry, card):
        yield "is not known to take images"
    if seen.tools and entry is not None and not entry.tools:
        yield "calls no tools"
    if seen.structured and entry is not None and not entry.schema:
        yield "follows no JSON schema"


def _too_long(offer: Offer, card: ModelCard | None, need: Need) -> Iterator[str]:
    """What is sent may not fit into its context, what the client sent not into the bound of its name."""
    holds, needed = _context(offer.entry, card), need.prompt_tokens + need.bound(offer.route)
    if holds and needed > holds:
        yield f"holds {holds} tokens; prompt and answer need about {needed}"
    longest, own = offer.plan.policy.max_prompt_tokens, need.features.prompt_tokens
    if longest is not None and own > longest:
        yield f"takes prompts of at most {longest} tokens; this one has about {own}"


def _is_made_for(operation: Operation, entry: Entry) -> bool:
    """Whether the catalogue knows it as one that writes text, or vectors, or ranks, as is asked for."""
    if operation.name in TASKS_OF:
        return not entry.strengths.keys().isdisjoint(TASKS_OF[operation.name])
    return not (operation.streams and entry.strengths and entry.strengths.keys() <= _SPECIAL)


def _takes_images(entry: Entry | None, card: ModelCard | None) -> bool:
    """As its server says, else as the catalogue knows."""
    if card is not None and card.modalities:
        return "image" in card.modalities
    return entry is not None and "image" in entry.modalities


def _context(entry: Entry | None, card: ModelCard | None) -> int:
    """Tokens that it holds, as its server says, else as the catalogue knows; 0 where nobody does."""
    if card is not None and card.context_tokens:
        return card.context_tokens
    return 0 if entry is None else entry.context_tokens
