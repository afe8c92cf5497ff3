"""Fixed routing: the configuration says where each name goes."""

import difflib
from collections.abc import Mapping

from app.contracts import Call, Caller, Plan, Route
from app.errors import ForbiddenModel, UnknownModel


class Fixed:
    """Aliases from the configuration, and `upstream/model` for any model an upstream has."""

    def __init__(self, aliases: Mapping[str, Plan], upstreams: Mapping[str, Mapping[str, bytes]]) -> None:
        """`upstreams` are the names that may be addressed directly, with their default members."""
        self._aliases = aliases
        self._upstreams = upstreams

    def decide(self, call: Call) -> Plan:
        asked = call.request.model
        if not call.caller.may_use(asked):
            raise self._forbidden(call)
        plan = self._aliases.get(asked)
        if plan is not None:
            return plan
        upstream, slash, model = asked.partition("/")
        if slash and model and upstream in self._upstreams:
            return Plan((
                Route(upstream, model, f"{upstream}/*", "named by the client", self._upstreams[upstream]),
            ))
        raise self._unknown(call)

    def names(self, caller: Caller) -> Mapping[str, Route]:
        """The configured names that this caller may use."""
        return {name: plan.routes[0] for name, plan in self._aliases.items() if caller.may_use(name)}

    def _forbidden(self, call: Call) -> ForbiddenModel:
        allowed = sorted(call.caller.models or ())
        listed = ", ".join(allowed[:10]) or "none"
        return ForbiddenModel(
            f"This key may not use the model {call.request.model[:128]!r} (allowed: {listed}).", param="model"
        )

    def _unknown(self, call: Call) -> UnknownModel:
        asked = call.request.model
        known = list(self.names(call.caller))
        near = difflib.get_close_matches(asked[:128], known, n=3, cutoff=0.5) or sorted(known)[:5]
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return UnknownModel(f"The model {asked[:128]!r} does not exist.{hint}", param="model")
