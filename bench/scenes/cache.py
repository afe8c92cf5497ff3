"""What a session of tools costs where the upstream keeps the beginnings of prompts, each turn with the whole history.

A hit is what an earlier prompt began with: its identical first messages, to whole blocks of 16 tokens (vLLM's). What was
hit costs a share of what is fresh.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.scenes.gateway import MODELS, Gateway
from bench.scenes.printed import Cell, Goal, Part, Table
from bench.texts.sessions import Message
from scenes.forms import CODES

BLOCK_TOKENS = 16
MARK_TOKENS = 4
"""Around each message, about, in every family's template."""
PRICES = (1.0, 0.1, 0.02)
"""Of a cached token, by that of a fresh one: no cache, and two that are sold."""
PERCENT, HIT_POINTS = 65.0, 0.5
STRETCH = 57.0
_NUMBER = re.compile(r"^<[0-9]+>\n", re.MULTILINE)

Session = Sequence[Message]
Policy = Callable[[Session], Session]
"""Of a history as the client has it, what the upstream gets."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a whole session, in tokens of its prompts."""

    tokens: int
    cached: int

    @property
    def hit_percent(self) -> float:
        return 100 * self.cached / self.tokens

    def at(self, price: float) -> float:
        return self.tokens - self.cached + price * self.cached


def cache(gateway: Gateway, sessions: Mapping[str, Session], long: str) -> Part:
    """`long` names the session that the goals are about."""
    rows: list[list[Cell]] = []
    costs: dict[str, Mapping[str, Cost]] = {}
    for name, session in sessions.items():
        rewritten = [_rewritten(history) for history in _histories(session)]
        for family in gateway.families:
            found = _costs(gateway, family, session, rewritten)
            rows += [_row(name, family, policy, cost, found["plain"]) for policy, cost in found.items()]
            if name == long:
                costs[family] = found
    prices = [f"cost at {price:g}, %" for price in PRICES]
    header = ("session", "family", "policy", "prompt tokens", "cached, %", *prices)
    goals = [goal for policy in ("safe", "codebook") for goal in _goals(policy, costs)]
    return Part("cache", [Table("A session behind a prefix cache", header, rows)], goals)


def _costs(
    gateway: Gateway, family: str, session: Session, rewritten: Sequence[Session]
) -> Mapping[str, Cost]:
    def cost(prompts: Sequence[Session]) -> Cost:
        return _cost(prompts, lambda text: gateway.count(family, text))

    histories = list(_histories(session))
    model = MODELS[family]
    return {
        "plain": cost(histories),
        "safe": cost([gateway.said(history, model, "safe")[0] for history in histories]),
        "codebook": cost([gateway.said(history, model, "codebook")[0] for history in histories]),
        "anew each turn": cost(rewritten),
    }


def _histories(session: Session) -> Iterator[Session]:
    """The prompts of a session: what was said before each answer, and all of it where the last one is still to come."""
    for place, message in enumerate(session):
        if message["role"] == "assistant":
            yield session[:place]
    if session[-1]["role"] != "assistant":
        yield session


def _cost(prompts: Sequence[Session], count: Callable[[str], int]) -> Cost:
    tokens = cached = 0
    earlier: list[list[str]] = []
    for prompt in prompts:
        texts = [_text(message) for message in prompt]
        sizes = [count(text) + MARK_TOKENS for text in texts]
        hit = sum(sizes[: max((_shared(texts, before) for before in earlier), default=0)])
        tokens += sum(sizes)
        cached += hit - hit % BLOCK_TOKENS
        earlier.append(texts)
    return Cost(tokens, cached)


def _shared(texts: Sequence[str], before: Sequence[str]) -> int:
    """How many messages both begin with."""
    pairs = zip(texts, before, strict=False)
    return next(
        (place for place, (one, other) in enumerate(pairs) if one != other), min(len(texts), len(before))
    )


def _text(message: Message) -> str:
    called = json.dumps(message["tool_calls"]) if "tool_calls" in message else ""
    return f"{message['role']}\n{message['content'] or ''}{called}"


def _rewritten(history: Session) -> Session:
    """The straw man: one legend for all that was said so far, so that each turn has other codes than the one before.

    A number that no other message has stands before each message, and no phrase reaches over it.
    """
    system, *rest = history
    joined = "".join(f"<{number}>\n{message['content'] or ''}\n" for number, message in enumerate(rest))
    folded = CODES.fold(joined)
    if folded is None:
        return history
    legend, *said = _NUMBER.split(folded)
    encoded = [{**message, "content": content} for message, content in zip(rest, said, strict=True)]
    return [system, {"role": "system", "content": legend}, *encoded]


def _row(session: str, family: str, policy: str, cost: Cost, plain: Cost) -> list[Cell]:
    relative = [_relative(cost, plain, price) for price in PRICES]
    return [session, family, policy, f"{cost.tokens:,}", cost.hit_percent, *relative]


def _relative(cost: Cost, plain: Cost, price: float) -> float:
    return 100 * cost.at(price) / plain.at(price)


def _goals(policy: str, costs: Mapping[str, Mapping[str, Cost]]) -> Iterator[Goal]:
    """What costs most, and what loses most hits, of all families and prices."""
    highest, price, family = max(
        (_relative(of[policy], of["plain"], price), price, family)
        for family, of in costs.items()
        for price in PRICES
    )
    about = f"highest: {family} at {price:g}"
    yield Goal(f"cost, {policy}", highest, PERCENT, "%", is_most=True, about=about)
    yield Goal(f"cost, {policy}, stretch", highest, STRETCH, "%", is_most=True, about=about)
    lost, family = max(
        (of["plain"].hit_percent - of[policy].hit_percent, family) for family, of in costs.items()
    )
    about = f"highest: {family}"
    yield Goal(f"hits lost, {policy}", lost, HIT_POINTS, "points", is_most=True, about=about)
