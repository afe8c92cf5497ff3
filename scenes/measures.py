"""The three measures of scenes: density, reversibility, associativity. Pure.

Notation: x a text, E(x) what it is encoded as, D the way back, T the tokens of the model's own tokenizer, F the multiset of
facts (`scenes.facts`), |.| how many. Everything here is a number that two runs agree on; answers of models are measured
elsewhere (`hyperbridge ab`).
"""

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

import zstandard

from scenes.contracts import Counter
from scenes.facts import counted, kept

T = TypeVar("T")
_BITS = 8
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Density:
    """How much stands in a token.

    `tokens` is T(x) / (T(E(x)) + T(legend) / uses): how many tokens one stands for, at least 1 for a codec that stands
    aside where it does not pay. `facts` is 1000 |F(E(x))| / T(E(x)), and `facts_gain` that over the same of x; it says
    something only beside the facts' recall. `bits` is 8 |zstd19(x)| / T(E(x)), which needs no model.
    """

    tokens: float
    facts: float
    facts_gain: float
    bits: float


def density(text: str, encoded: str, counter: Counter, *, legend_tokens: int = 0, uses: int = 1) -> Density:
    """The density of a text's encoding. `legend_tokens` are shared by so many `uses` of the legend."""
    before, after = counter.count(text), counter.count(encoded)
    whole = after + legend_tokens / uses
    own, theirs = _facts_a_thousand(encoded, after), _facts_a_thousand(text, before)
    packed = len(zstandard.ZstdCompressor(level=19).compress(text.encode("utf-8", "surrogatepass")))
    return Density(
        tokens=before / whole if whole else 1.0,
        facts=own,
        facts_gain=own / theirs if theirs else 1.0,
        bits=_BITS * packed / after if after else 0.0,
    )


def _facts_a_thousand(text: str, tokens: int) -> float:
    return _THOUSAND * counted(text).total() / tokens if tokens else 0.0


@dataclass(frozen=True, slots=True)
class Reversibility:
    """How much comes back.

    `exact` (R0): D(E(x)) = x, required where a layer is lossless. `facts` (R1): |F(x) ∩ F(E(x))| / |F(x)|, as multisets.
    """

    exact: bool
    facts: float


def reversibility(text: str, encoded: str, decode: Callable[[str], str]) -> Reversibility:
    """Of one text. `decode` may raise ValueError for what it cannot read."""
    try:
        exact = decode(encoded) == text
    except ValueError:
        exact = False
    return Reversibility(exact, kept(text, encoded))


def fetchable(wanted: Collection[str], stored: AbstractSet[str]) -> float:
    """R2: the share of scenes whose original, by its hash, is in the store."""
    return sum(each in stored for each in wanted) / len(wanted) if wanted else 1.0


def evidence_recall(evidence: AbstractSet[T], recalled: AbstractSet[T]) -> float:
    """A1: |ev ∩ recalled(B)| / |ev|, the share of the evidence inside a budget of B tokens."""
    return len(evidence & recalled) / len(evidence) if evidence else 1.0


def reciprocal_rank(evidence: AbstractSet[T], ranked: Sequence[T]) -> float:
    """1 / the place of the first evidence in a ranking, 0 where there is none; its mean over questions is the MRR."""
    return next((1 / place for place, each in enumerate(ranked, 1) if each in evidence), 0.0)


def associativity(merge: Callable[[str, str], str], one: str, two: str, three: str) -> float:
    """A2: J = |F((a·b)·c) ∩ F(a·(b·c))| / |F((a·b)·c) ∪ F(a·(b·c))|; 1 where it does not matter what is merged first."""  # noqa: RUF002
    left = counted(merge(merge(one, two), three))
    right = counted(merge(one, merge(two, three)))
    union = (left | right).total()
    return (left & right).total() / union if union else 1.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """A3: how links that were found agree with those that a person set."""

    precision: float
    recall: float


def agreement(found: AbstractSet[T], right: AbstractSet[T]) -> Agreement:
    both = len(found & right)
    return Agreement(both / len(found) if found else 1.0, both / len(right) if right else 1.0)
