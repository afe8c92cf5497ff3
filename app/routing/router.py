"""The prompt router: from a call to its plan, and the reasons for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import get_args

from app.contracts import NO_WISHES, Call, Caller, Plan, Route, Wishes
from app.decision import Decision
from app.errors import Failure, NoModelFits
from app.outcomes import FallbackClass
from app.routing.auto import AUTO, Auto, Chosen
from app.routing.canary import Canary
from app.routing.features import Features, features
from app.routing.fixed import Fixed
from app.routing.manner import Manners, in_manner
from app.routing.splits import Splits

_ALWAYS = frozenset(get_args(FallbackClass))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was seen of a call, what was decided, and the plan or what it is refused with.

    `words` spoke most for the mode, where the classifier chose it.
    """

    features: Features
    decision: Decision | None
    plan: Plan | None = None
    failure: Failure | None = None
    words: Sequence[str] = ()


class Router:
    """Names go where the configuration says, `auto` where the router chooses; then in the manner that is asked for.

    `bases` are the manners that the configuration gives to names, `splits` are of those that divide their calls.
    """

    def __init__(
        self,
        names: Fixed,
        auto: Auto,
        manners: Manners,
        bases: Mapping[str, Wishes],
        splits: Mapping[str, Splits],
    ) -> None:
        self._names = names
        self._auto = auto
        self._manners = manners
        self._bases = bases
        self._splits = splits

    def decide(self, call: Call) -> Plan:
        """The routes to try, and how far to go. Raises UnknownModel, ForbiddenModel, NoModelFits and BadRequest."""
        if not self._is_auto(call.request.model):
            return self._whole(call, self._named(call, call.request.model))
        return self._whole(call, self._chosen(call))

    def must_read(self, call: Call) -> bool:
        """Whether a decision on this call would read files; `read` does so beforehand."""
        return not self._auto.has_read and any(map(self._is_auto, (call.request.model, *call.wishes.models)))

    def read(self) -> None:
        """Read what `auto` needs, in any thread."""
        self._auto.read()

    @property
    def dimensions(self) -> int:
        """Of the vectors that calls may carry; 0 where none are of use."""
        return self._auto.dimensions

    def question(self, call: Call) -> str:
        """The text whose vector, in the call, would help to choose its mode; "" where there is no need of one."""
        return self._auto.question(call, datetime.now(UTC)) if self._is_auto(call.request.model) else ""

    def explain(self, call: Call) -> Explanation:
        """What `decide` does, and why."""
        seen, now = features(call), datetime.now(UTC)
        is_auto = self._is_auto(call.request.model)
        try:
            plan = self.decide(call)
        except Failure as failure:
            return Explanation(seen, self._auto.decide(call, seen, now) if is_auto else None, None, failure)
        choice = None if plan.decision is None else plan.decision.choice
        if choice is None or choice.by != "classifier":
            return Explanation(seen, plan.decision, plan)
        return Explanation(seen, plan.decision, plan, words=self._auto.words(seen.text, choice.mode))

    def names(self, caller: Caller) -> Mapping[str, Plan]:
        """The configured names that this caller may use."""
        return self._names.names(caller)

    @property
    def canaries(self) -> Mapping[str, Canary]:
        """Those on trial, by the names whose calls they get."""
        return {name: splits.canary for name, splits in self._splits.items() if splits.canary is not None}

    def choices(self, caller: Caller) -> Mapping[str, Plan]:
        """The names that `auto` may choose for this caller; none where `auto` is a name of the configuration."""
        return self._auto.choices(caller) if self._is_auto(AUTO) else {}

    def _is_auto(self, name: str) -> bool:
        return name == AUTO and not self._names.has(AUTO)

    def _whole(self, call: Call, plan: Plan) -> Plan:
        """With the models behind it that the client itself falls back to."""
        for name in dict.fromkeys(call.wishes.models):
            if name != call.request.model:
                plan = self._with_fallback(call, plan, name)
        return plan

    def _with_fallback(self, call: Call, plan: Plan, name: str) -> Plan:
        """With the models of this name behind it; what `auto` decides there is told beside the plan's own decision."""
        if not self._is_auto(name):
            return _followed(plan, _heads(self._named(call, name)))
        try:
            chosen = self._chosen(call, plan.lens)
        except NoModelFits:  # the others may do
            return plan
        decision = replace(plan.decision or Decision(by="client"), fallback=chosen.decision)
        return replace(_followed(plan, chosen.routes), decision=decision)

    def _chosen(self, call: Call, lens: str | None = None) -> Plan:
        """What `auto` chooses; `lens` is put into the request where this is not the mode's."""
        chosen = self._auto.choose(call, datetime.now(UTC), lens)
        asked = replace(call.wishes, mode=chosen.decision.mode)
        plan = self._in_manner(self._divided(call, chosen), asked, NO_WISHES)
        return replace(plan, routes=distinct(plan.routes))

    def _divided(self, call: Call, chosen: Chosen) -> Plan:
        """The plan as the calls of the name that was chosen first are divided, as if that had been asked for; where its
        target cannot take this call, its own model does.
        """
        own = chosen.plan
        splits = self._splits.get(chosen.offers[0].name)
        plan = own if splits is None else splits.of(call, own)
        if plan.routes is own.routes or self._auto.may_stand_in(plan.routes[0], chosen):
            return plan
        return replace(plan, routes=own.routes, decision=own.decision)

    def _named(self, call: Call, name: str) -> Plan:
        plan = self._names.plan(call.caller, name)
        splits = self._splits.get(name)
        if splits is not None:
            plan = splits.of(call, plan)
        if not call.wishes.is_of_manner:
            return plan
        return self._in_manner(plan, call.wishes, self._bases.get(name, NO_WISHES))

    def _in_manner(self, plan: Plan, asked: Wishes, base: Wishes) -> Plan:
        """The plan in the manner asked for, on top of the one that the name has by itself."""
        own = self._manners.textless(asked)
        variables = base.variables if asked.template in {"", base.template} else {}
        whole = self._manners.of(
            Wishes(
                asked.mode or base.mode,
                asked.presets,
                asked.template or base.template,
                {**variables, **asked.variables},
            )
        )
        decision = plan.decision or Decision()
        if asked.mode and not decision.candidates:
            by = decision.by if decision.target else "client"
            decision = replace(decision, mode=asked.mode, by=by)
        told = replace(decision, presets=(*base.presets, *whole.presets), template=whole.template)
        return replace(in_manner(plan, own, whole), decision=told)


def _heads(plan: Plan) -> Sequence[Route]:
    """The name's own model, without its fallbacks, and before it the one that gets a share of its calls."""
    is_divided = plan.decision is not None and plan.decision.target
    *before, own = plan.routes[: 2 if is_divided else 1]
    return (*before, replace(own, reason="a fallback that the client named"))


def _followed(plan: Plan, routes: Sequence[Route]) -> Plan:
    return replace(plan, routes=distinct([*plan.routes, *routes]))


def distinct(routes: Sequence[Route]) -> Sequence[Route]:
    """The routes without those that would ask for the same again: what has failed there once is no fallback."""
    found: list[Route] = []
    for route in routes:
        if not any(_stands_for(each, route) for each in found):
            found.append(route)
    return found


def _stands_for(first: Route, later: Route) -> bool:
    """Whether the first one asks for the same, and is taken wherever the later one is."""
    same = replace(first, alias="", reason="", when=None) == replace(later, alias="", reason="", when=None)
    return same and (first.when is None or first.when >= (later.when or _ALWAYS))
