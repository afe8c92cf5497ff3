"""What kinds of upstreams differ in: whom they let in, what they offer beside answers, and how they refuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from sim import refusals
from sim.framing import Reply
from sim.script import Script
from sim.seen import Seen


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that gets its answer: what the answer's head and its envelope say besides."""

    headers: Mapping[str, str] = field(default_factory=dict)
    envelope: Mapping[str, Any] = field(default_factory=dict)


class House(Protocol):
    """One kind of upstream."""

    dialect: str

    def page(self, seen: Seen) -> Reply | None:
        """What is answered without a model; None where a model answers."""

    def admit(self, seen: Seen, request: Mapping[str, Any], now: float) -> Admitted | Reply:
        """Whether a model may answer this request; a refusal otherwise."""

    def counted(self, seen: Seen, now: float) -> None:
        """An admitted request is over, in whatever way."""


def as_json(value: object, status: int = 200) -> Reply:
    return Reply(status, refusals.JSON, orjson.dumps(value))


def refused(status: int, dialect: str, message: str = "", code: str = "") -> Reply:
    kind, body = refusals.refusal(Script(status=status, dialect=dialect, code=code), message)
    return Reply(status, kind, body)


@dataclass(slots=True)
class Plain:
    """Any OpenAI-compatible server: it takes every model's name."""

    models: Sequence[str] = ("twin",)
    loras: Sequence[str] = ()
    key: str = ""
    dialect: str = "openai"

    def page(self, seen: Seen) -> Reply | None:
        if seen.page == "/health":
            return as_json({"status": "ok"})
        if self.key and seen.key != self.key:
            return refused(401, self.dialect, "Incorrect API key provided.")
        if seen.method != "GET":
            return None
        if seen.page.endswith("/models"):
            return as_json({"object": "list", "data": self._cards()})
        return refused(404, self.dialect, "There is no such page.", "not_found")

    def _cards(self) -> list[dict[str, Any]]:
        cards = [{"id": name, "object": "model"} for name in self.models]
        return cards + [{"id": name, "object": "model", "parent": self.models[0]} for name in self.loras]

    def admit(self, seen: Seen, request: Mapping[str, Any], now: float) -> Admitted | Reply:
        return Admitted()

    def counted(self, seen: Seen, now: float) -> None:
        pass
