"""What the upstreams list, to be looked up by the names that a client may write. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.contracts import Caller, ModelCard

Address = tuple[str, str]
"""An upstream, and its own name for a model."""

_LEAST_LISTED = {"nebius": 1, "vllm": 1, "openai": 2}
"""By the kind of an upstream, the models that it must list before one that it does not list is missing there: a server
with OpenAI's interface that lists a single model may take any name (llama.cpp does). Other kinds run in this process.
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """The models of every upstream by their own names, and the addresses that each plain name may mean.

    A LoRA adapter is found by its own name and by `base:adapter`.
    """

    cards: Mapping[str, Mapping[str, ModelCard]] = field(default_factory=dict)
    addresses: Mapping[str, Sequence[Address]] = field(default_factory=dict)

    @classmethod
    def of(cls, stocks: Mapping[str, Sequence[ModelCard]]) -> "Listed":
        cards = {upstream: {card.id: card for card in listed} for upstream, listed in stocks.items()}
        addresses: dict[str, list[Address]] = {}
        for upstream, listed in cards.items():
            for card in listed.values():
                for name in names(card):
                    addresses.setdefault(name, []).append((upstream, card.id))
        return cls(cards, addresses)

    def card(self, upstream: str, model: str) -> ModelCard | None:
        return self.cards.get(upstream, {}).get(model)

    def own_name(self, upstream: str, model: str) -> str | None:
        """What the upstream calls it, which may have been asked for as `base:adapter`.

        What is not listed keeps its name, since it may be new; None is an adapter that its base is known not to have.
        """
        listed = self.cards.get(upstream, {})
        base, colon, adapter = model.rpartition(":")
        if model in listed or not colon:
            return model
        card = listed.get(adapter)
        if card is not None and card.parent == base:
            return adapter
        return None if any(self.adapters(upstream, base)) else model

    def adapters(self, upstream: str, base: str) -> Iterator[ModelCard]:
        return (card for card in self.cards.get(upstream, {}).values() if card.parent == base)


NOTHING = Listed()


def names(card: ModelCard) -> Sequence[str]:
    """What an upstream's model may be called there: its own name first, then `base:adapter`."""
    if card.parent is None or card.id.startswith(f"{card.parent}:"):
        return (card.id,)
    return (card.id, f"{card.parent}:{card.id}")


def lacks(kind: str, listed: Collection[str], model: str) -> bool:
    """Whether an upstream of this kind that lists these models is known not to have this one."""
    least = _LEAST_LISTED.get(kind)
    if least is None or len(listed) < least:
        return False
    return model not in listed and f"{model}:latest" not in listed


def may_use(caller: Caller, upstream: str, card: ModelCard) -> bool:
    """Whether the caller's key has it, by one of its names at its upstream."""
    return any(caller.may_use(f"{upstream}/{name}") for name in names(card))
