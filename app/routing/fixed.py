"""Fixed routing: a name goes where the configuration or the name itself says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NoReturn

from app.contracts import Call, Caller, ModelCard, Plan, Route
from app.errors import ForbiddenModel, UnknownModel
from app.routing.listed import NOTHING, Address, Listed, may_use, names
from app.routing.nearest import nearest

_SHOWN = 5
"""Names that a message lists where none is near."""


def _nothing() -> Listed:
    return NOTHING


class Fixed:
    """Aliases from the configuration; `upstream/model` and `upstream/model:adapter` for any model an upstream has; and
    an upstream's own name for a model where no other upstream has it.
    """

    def __init__(
        self,
        aliases: Mapping[str, Plan],
        upstreams: Mapping[str, Mapping[str, bytes]],
        listed: Callable[[], Listed] = _nothing,
    ) -> None:
        """`upstreams` are the names that may be addressed directly, with their default members; `listed` tells at once
        what they listed last.
        """
        self._aliases = aliases
        self._upstreams = upstreams
        self._listed = listed

    def decide(self, call: Call) -> Plan:
        return self.plan(call.caller, call.request.model)

    def plan(self, caller: Caller, asked: str) -> Plan:
        """Where this name goes. Raises ForbiddenModel and UnknownModel."""
        plan = self._aliases.get(asked)
        if plan is not None:
            if not caller.may_use(asked):
                raise _forbidden(caller, asked)
            return plan
        found = [each for each in self._addresses(caller, asked) if self._may_use(caller, each)]
        if len(found) == 1:
            return self._direct(*found[0])
        if found:
            raise _ambiguous(asked, found)
        if caller.models is not None:
            raise _forbidden(caller, asked)
        raise UnknownModel(
            f"The model {asked[:128]!r} does not exist.{self._hint(caller, asked)}", param="model"
        )

    def names(self, caller: Caller) -> Mapping[str, Plan]:
        """The configured names that this caller may use."""
        return {name: plan for name, plan in self._aliases.items() if caller.may_use(name)}

    def has(self, name: str) -> bool:
        """Whether the configuration has this name."""
        return name in self._aliases

    def _direct(self, upstream: str, model: str) -> Plan:
        members = self._upstreams[upstream]
        return Plan((Route(upstream, model, f"{upstream}/*", "named by the client", members),))

    def _addresses(self, caller: Caller, asked: str) -> Sequence[Address]:
        """What a name that is not configured may mean."""
        upstream, slash, model = asked.partition("/")
        if not (slash and model and upstream in self._upstreams):
            known = self._listed().addresses.get(asked, ())
            return [each for each in known if each[0] in self._upstreams]
        own = self._listed().own_name(upstream, model)
        if own is None and caller.may_use(asked):
            self._no_adapter(caller, upstream, model)
        return () if own is None else ((upstream, own),)

    def _may_use(self, caller: Caller, address: Address) -> bool:
        """Whether the key's own list has it, by one of its names at its upstream."""
        upstream, model = address
        return may_use(caller, upstream, self._listed().card(upstream, model) or ModelCard(model))

    def _no_adapter(self, caller: Caller, upstream: str, model: str) -> NoReturn:
        base, _, adapter = model.rpartition(":")
        known = {
            card.id.rpartition(":")[2]: f"{upstream}/{names(card)[-1]}"
            for card in self._listed().adapters(upstream, base)
            if self._may_use(caller, (upstream, card.id))
        }
        near = [known[name] for name in nearest(adapter, known) or sorted(known)[:_SHOWN]]
        raise UnknownModel(
            f"{f'{upstream}/{base}'[:128]!r} has no adapter {adapter[:128]!r}.{_meant(near)}", param="model"
        )

    def _hint(self, caller: Caller, asked: str) -> str:
        near = nearest(asked, self._usable(caller))
        return _meant(near or list(islice(self._usable(caller), _SHOWN)))

    def _usable(self, caller: Caller) -> Iterator[str]:
        yield from self.names(caller)
        for upstream, cards in self._listed().cards.items():
            for model in cards:
                if upstream in self._upstreams and self._may_use(caller, (upstream, model)):
                    yield f"{upstream}/{model}"


def _forbidden(caller: Caller, asked: str) -> ForbiddenModel:
    allowed = caller.models or ()
    near = nearest(asked, sorted(allowed))
    others = (name for name in sorted(allowed) if name not in near)
    listed = ", ".join([*near, *islice(others, 10 - len(near))]) or "none"
    return ForbiddenModel(
        f"This key may not use the model {asked[:128]!r} (allowed: {listed}).", param="model"
    )


def _ambiguous(asked: str, found: Sequence[Address]) -> UnknownModel:
    said = " or ".join(repr(f"{upstream}/{model}") for upstream, model in found)
    return UnknownModel(f"More than one upstream has {asked[:128]!r}: ask for {said}.", param="model")


def _meant(near: Sequence[str]) -> str:
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
