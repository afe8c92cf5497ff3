"""Which of a name's calls go to another model than its own, and which another model answers beside. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from app.config.splits import Sticky
from app.contracts import Call, Plan, Route, Shadow
from app.decision import By, Decision
from app.routing.canary import Canary
from app.routing.features import conversation


@dataclass(frozen=True, slots=True)
class Target:
    """Another model, by its configured name, and its share of the calls."""

    name: str
    by: By
    share: float
    route: Route


@dataclass(frozen=True, slots=True)
class Splits:
    """How the calls of one name are divided: each target has a part of [0, 1), one after the other from 0 on, and a
    call its place there. So who is with the first one stays there while its share grows. A canary stands first; one that
    was rolled back leaves its part to the name's own model, and nobody else moves.
    """

    alias: str
    sticky: Sticky
    targets: Sequence[Target] = ()
    canary: Canary | None = None
    shadow: Shadow | None = None
    shadow_share: float = 0.0

    def of(self, call: Call, plan: Plan) -> Plan:
        """The plan of this call, where its name's own is this one; that stands by for what fails elsewhere."""
        who = self._who(call)
        target = self._target(place(self.alias, who))
        if target is not None:
            decision = replace(plan.decision or Decision(), by=target.by, target=target.name)
            plan = replace(plan, routes=(target.route, *plan.routes), decision=decision)
        if self.shadow is not None and place(self.alias, who, b"shadow") < self.shadow_share:
            plan = replace(plan, shadow=self.shadow)
        return plan

    def _target(self, place: float) -> Target | None:
        end = 0.0
        for target in self.targets:
            end += target.share
            if place < end:
                is_over = target.by == "canary" and self.canary is not None and self.canary.verdict
                return None if is_over else target
        return None

    def _who(self, call: Call) -> str:
        """Whose calls keep together; a call by itself where that is not known."""
        match self.sticky:
            case "conversation":
                named = conversation(call)
            case "user":
                named = call.user and f"{call.caller.id}\0{call.user}"
            case _:
                named = ""
        return named or call.id


def place(alias: str, who: str, salt: bytes = b"split") -> float:
    """Where in [0, 1) somebody stands among the calls of a name: always at the same place, each place as likely."""
    digest = blake2b(f"{alias}\0{who}".encode("utf-8", "surrogatepass"), digest_size=8, person=salt)
    return (int.from_bytes(digest.digest()) >> 11) / 2**53
