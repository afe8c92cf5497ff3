"""`model: auto`: a mode and a model chosen for a request, and why. Pure but for what is known of the upstreams."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Protocol

from app import config
from app.config.routing import Task
from app.contracts import Call, Caller, Plan, Route, Wishes
from app.decision import Candidate, Decision
from app.errors import BadRequest, ForbiddenModel, NoModelFits
from app.routing.candidates import (
    DOUBTS,
    FORBIDDEN,
    TASKS_OF,
    Need,
    Offer,
    Order,
    Outlook,
    candidates,
    objections,
)
from app.routing.catalogue import Entry
from app.routing.features import Features, features
from app.routing.kept import Choice, Kept
from app.routing.lens import added_tokens
from app.routing.manner import Manner
from app.routing.modes import Mode
from app.routing.rules import rules

AUTO = "auto"
"""The name that leaves the choice to the router."""
GENERAL: Sequence[Task] = ("chat",)
"""What a model should be good at where there is no mode."""
_SHOWN = 5
"""Rejected models that a refusal explains."""


class Classified(Protocol):
    """What a classifier found: each label's probability."""

    @property
    def probabilities(self) -> Mapping[str, float]: ...


class Classifier(Protocol):
    """What has learned modes from examples; below its threshold a probability says nothing."""

    @property
    def threshold(self) -> float: ...

    def classify(self, text: str) -> Classified: ...

    def why(self, text: str, label: str) -> Sequence[str]: ...


class Head(Protocol):
    """What has learned modes from an encoder's vectors of examples."""

    @property
    def threshold(self) -> float: ...

    @property
    def dimensions(self) -> int: ...

    def excerpt(self, text: str) -> str: ...

    def classify(self, vector: Sequence[float]) -> Classified: ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """A decision, and the models that will be tried, best first; `need` is what it was made for."""

    decision: Decision
    offers: Sequence[Offer]
    need: Need

    @property
    def plan(self) -> Plan:
        """The chosen models one after the other, then what the first one falls back to itself."""
        first = self.offers[0].plan
        routes = [replace(offer.route, reason="chosen by the router", when=None) for offer in self.offers]
        return replace(first, routes=(*routes, *first.routes[1:]), decision=self.decision)


class Auto:
    """Chooses among the offers; `kept` says who has answered a conversation so far."""

    def __init__(  # noqa: PLR0913 - what a choice is made of
        self,
        settings: config.Router,
        modes: Mapping[str, Mode],
        offered: Mapping[str, Plan],
        *,
        general: Sequence[str],
        choosable: Collection[str],
        manner: Callable[[Wishes], Manner],
        output_tokens: int,
        entry: Callable[[str], Entry | None],
        classifier: Callable[[], Classifier | None],
        encoder: Head | None = None,
        outlook: Outlook,
        kept: Kept,
    ) -> None:
        """`general` are the names offered where a mode lists none, `choosable` the modes that need no variable of the
        client's, `manner` makes what is put into a request, and an answer without a bound is reserved `output_tokens`.
        `entry` and `classifier` are asked when the first choice is made: who never leaves one, never waits for them.
        `encoder` knows what vectors mean.
        """
        self._settings = settings
        self._rules = rules(settings)
        self._modes = modes
        self._offered = offered
        self._general = general
        self._choosable = choosable
        self._manner = manner
        self._output_tokens = output_tokens
        self._entry = entry
        self._load = classifier
        self._encoder = encoder
        self._outlook = outlook
        self._kept = kept
        self.has_read = False

    def read(self) -> None:
        """Read what the first choice would otherwise read."""
        _ = self._classifier, self._entry(AUTO)
        self.has_read = True

    @cached_property
    def _classifier(self) -> Classifier | None:
        return self._load() if self._settings.learned else None

    def choices(self, caller: Caller) -> Mapping[str, Plan]:
        """The names that may be chosen for this caller where a mode lists none."""
        return {name: self._offered[name] for name in self._general if caller.may_use(name)}

    @property
    def dimensions(self) -> int:
        """Of the vectors that it knows; 0 where there is no encoder."""
        return 0 if self._encoder is None else self._encoder.dimensions

    def choose(self, call: Call, now: datetime, lens: str | None = None) -> Chosen:
        """The decision and what it leads to; raises NoModelFits or ForbiddenModel. `now` is in UTC; `lens` is the text
        that will be put into the request where this is not the mode's.
        """
        seen = features(call)
        decision = self.decide(call, seen, now, lens)
        mode = self._modes.get(decision.mode)
        lora = mode.lora if mode is not None else None
        fitting = [self._adapted(self._offer(each.name), lora) for each in self._fitting(decision)]
        return Chosen(decision, fitting, self._need(call, seen, mode, lens))

    def may_stand_in(self, route: Route, chosen: Chosen) -> bool:
        """Whether this route may answer in the place of the first one that was chosen: nothing speaks against it, and no
        adapter of the mode's is asked for there.
        """
        first = chosen.offers[0]
        if first.plan is not self._offered[first.name]:
            return False
        offer = self._known(first.name, replace(first.plan, routes=(route,)))
        return not any(objections(offer, chosen.need, self._outlook))

    def decide(self, call: Call, seen: Features, now: datetime, lens: str | None = None) -> Decision:
        """The decision alone, also where no model fits."""
        before = self._before(seen.conversation)
        decision = self._encoded(call, self._mode(call, seen, before, now))
        mode = self._modes.get(decision.mode)
        by = mode.order_by if mode is not None else None
        order = Order(by or self._settings.order_by, self._settings.weights)
        need = self._need(call, seen, mode, lens)
        found = candidates(self._offers_in(mode), need, order, self._outlook)
        found = self._keeping(found, before, mode)
        return replace(decision, policy=order.by, candidates=found, conversation=seen.conversation)

    def _need(self, call: Call, seen: Features, mode: Mode | None, lens: str | None) -> Need:
        tasks = TASKS_OF.get(call.operation.name) or (GENERAL if mode is None else mode.tasks)
        manner = self._manner_of(call, mode)
        added = added_tokens(call.operation, manner.lens if lens is None else lens)
        return Need(call.operation, call.caller, seen, tasks, self._output_tokens, added, manner.members)

    def _manner_of(self, call: Call, mode: Mode | None) -> Manner:
        """What will be put into the request; nothing where it asks for what is not there, which is refused later on."""
        try:
            return self._manner(replace(call.wishes, mode="" if mode is None else mode.name))
        except BadRequest:
            return Manner()

    def question(self, call: Call, now: datetime) -> str:
        """The text whose vector would help to choose a mode; "" where the mode is known without, or nothing knows vectors."""
        if self._encoder is None:
            return ""
        seen = features(call)
        decision = self._mode(call, seen, self._before(seen.conversation), now)
        return self._encoder.excerpt(seen.text) if _is_open(call, decision) else ""

    def words(self, text: str, mode: str) -> Sequence[str]:
        """What in a text spoke most for a mode, by the classifier."""
        return () if self._classifier is None else self._classifier.why(text, mode)

    def _before(self, conversation: str) -> Choice | None:
        """What was chosen for it, where that mode is still one: the configuration may be another since."""
        before = self._kept.of(conversation)
        return before if before is not None and before.mode in {"", *self._modes} else None

    def _mode(self, call: Call, seen: Features, before: Choice | None, now: datetime) -> Decision:
        if call.wishes.mode:
            return Decision(call.wishes.mode, "client")
        if call.operation.dialect == "plain":  # nothing is said there: vectors, ranks, tokens
            return Decision()
        for rule in self._rules:
            if rule.mode in self._choosable and rule.fits(seen, call.caller, now):
                return Decision(rule.mode, "rule", rule.name)
        if self._classifier is not None and seen.text:
            return self._learned(self._classifier, seen.text, before)
        if before is not None:
            return Decision(before.mode, "conversation")
        return Decision(self._default)

    def _learned(self, classifier: Classifier, text: str, before: Choice | None) -> Decision:
        """By the classifier, where it is sure enough; a conversation stays in its mode unless another one is likelier
        by more than the margin.
        """
        likely = classifier.classify(text).probabilities
        best, is_known = self._best(likely, classifier.threshold)
        if before is not None and best != before.mode:
            gain = likely[best] - likely.get(before.mode, 0.0)
            if not is_known or gain <= self._settings.margin:
                return Decision(before.mode, "conversation", probabilities=likely)
        if is_known:
            return Decision(best, "classifier", probabilities=likely)
        return Decision(self._default, probabilities=likely)

    def _encoded(self, call: Call, decision: Decision) -> Decision:
        """By the vector, where nothing else knew a mode and it is sure enough; else as it was."""
        vector = call.vector
        if vector is None or self._encoder is None or not _is_open(call, decision):
            return decision
        decision = replace(decision, encoder=vector.outcome)
        if not vector.numbers:
            return decision
        likely = self._encoder.classify(vector.numbers).probabilities
        best, is_known = self._best(likely, self._encoder.threshold)
        if is_known:
            decision = replace(decision, mode=best, by="encoder")
        return replace(decision, probabilities=likely)

    def _best(self, likely: Mapping[str, float], threshold: float) -> tuple[str, bool]:
        """The likeliest label, and whether it is a mode and likely enough; `threshold` is that of who found it."""
        best = max(likely, key=lambda label: likely[label])
        least = threshold if self._settings.threshold is None else self._settings.threshold
        return best, best in self._choosable and likely[best] >= least

    @property
    def _default(self) -> str:
        default = self._settings.default_mode
        return default if default is not None and default in self._choosable else ""

    def _offers_in(self, mode: Mode | None) -> Sequence[Offer]:
        listed = mode.models if mode is not None else None
        return [self._offer(name) for name in (self._general if listed is None else listed)]

    def _offer(self, name: str) -> Offer:
        return self._known(name, self._offered[name])

    def _known(self, name: str, plan: Plan) -> Offer:
        """A LoRA adapter that is not in the catalogue can what its base can."""
        route = plan.routes[0]
        entry = self._entry(route.model)
        if entry is None:
            card = self._outlook.card(route.upstream, route.model)
            entry = self._entry(card.parent) if card is not None and card.parent is not None else None
        return Offer(name, plan, entry)

    def _adapted(self, offer: Offer, lora: str | None) -> Offer:
        """With the mode's LoRA adapter, where the upstream has it for this model."""
        route = offer.route
        if lora is None or lora not in self._outlook.adapters(route.upstream, route.model):
            return offer
        routes = (replace(route, model=lora), *offer.plan.routes[1:])
        return replace(offer, plan=replace(offer.plan, routes=routes))

    def _keeping(
        self, found: Sequence[Candidate], before: Choice | None, mode: Mode | None
    ) -> Sequence[Candidate]:
        """With the conversation's own model first, unless another one is better by more than the margin."""
        if before is None:
            return found
        own = _own(found, before, mode.lora if mode is not None else None)
        if own is None or own.against or found[0].score - own.score > self._settings.margin:
            return found
        kept = replace(own, reasons=(*own.reasons, "the conversation's own"))
        return [kept, *(each for each in found if each is not own)]

    def _fitting(self, decision: Decision) -> Sequence[Candidate]:
        fitting = [each for each in decision.candidates if not each.against]
        fitting = fitting or [each for each in decision.candidates if DOUBTS.issuperset(each.against)]
        if fitting:
            return fitting[: self._settings.candidates]
        raise refusal(decision.candidates)


def _is_open(call: Call, decision: Decision) -> bool:
    """Whether neither the client, a rule, the classifier nor the conversation so far knew a mode, where words are said."""
    is_unknown = decision.by == "default" or (decision.by == "conversation" and not decision.mode)
    return is_unknown and call.operation.dialect != "plain"


def _own(found: Sequence[Candidate], before: Choice, lora: str | None) -> Candidate | None:
    """The model that answered before, else the name under which another one did that gets a share of its calls."""
    for each in found:
        if each.upstream == before.upstream and before.model in {each.model, lora}:
            return each
    return next((each for each in found if each.name == before.name), None)


def refusal(rejected: Sequence[Candidate]) -> ForbiddenModel | NoModelFits:
    """Why there is no model for this call."""
    if not rejected:
        return NoModelFits("The mode's list of models is empty: no model may answer in it.", param="model")
    usable = [each for each in rejected if FORBIDDEN not in each.against]
    if not usable:
        return ForbiddenModel(
            "This key may not use any of the models that `auto` chooses from.", param="model"
        )
    said = "; ".join(f"{each.name} {', '.join(each.against)}" for each in usable[:_SHOWN])
    return NoModelFits(f"No model can take this request: {said}.", param="model")
