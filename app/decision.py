"""Why a call goes where it goes: a decision as data, for the answer's headers, the record, and whoever asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

By: TypeAlias = Literal[
    "client", "alias", "rule", "classifier", "encoder", "conversation", "default", "split", "canary"
]
"""Who chose: the client, the name it asked for, a rule, the classifier, the encoder, the conversation so far, or nobody; or
the share of the name's calls that another model gets, or one on trial.
"""

EncoderOutcome: TypeAlias = Literal["asked", "kept", "late", "failed", "unfit", "busy", "resting"]
"""How it went with the encoder: it made a vector now, or had made it before; it did not answer in time, or failed; what it
answered is no vector of the right length; too many waited for it; it was left alone, since it kept failing.
"""

VERSION = "v1"
"""Of the reason's form, which programs may read."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could answer. It is rejected where anything speaks `against` it; the highest score goes first."""

    name: str
    upstream: str
    model: str
    score: float = 0.0
    reasons: Sequence[str] = ()
    against: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The mode ("" is none) and who chose it; with which probabilities; and the models, best first.

    `rule` names the rule that chose, `policy` what the candidates are ordered by, `presets` and `template` what was
    put into the request; `encoder` says how it went with the encoder, where there was need of it; `target` is the model
    that gets a share of the name's calls and has got this one; `conversation` is the one whose next turn shall know of
    this; `fallback` is what `auto` decided, where the client falls back to it.
    """

    mode: str = ""
    by: By = "default"
    rule: str = ""
    encoder: EncoderOutcome | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    policy: str = ""
    candidates: Sequence[Candidate] = ()
    presets: Sequence[str] = ()
    template: str = ""
    target: str = ""
    conversation: str = ""
    fallback: "Decision | None" = None

    @property
    def choice(self) -> "Decision":
        """What `auto` decided: this, or what the client falls back to."""
        return self.fallback or self

    @property
    def reason(self) -> str:
        """In one line: `v1; by=classifier; p=0.93; policy=quality; candidates=3; rejected=1`."""
        said = [VERSION, f"by={self.by}"]
        if self.rule:
            said.append(f"rule={self.rule}")
        if self.mode in self.probabilities:
            said.append(f"p={self.probabilities[self.mode]:.2f}")
        if self.encoder is not None:
            said.append(f"encoder={self.encoder}")
        if self.fallback is not None:
            said.append(f"auto={self.fallback.mode or 'none'}")
        if self.candidates:
            rejected = sum(bool(each.against) for each in self.candidates)
            said += [f"policy={self.policy}", f"candidates={len(self.candidates)}", f"rejected={rejected}"]
        return "; ".join(said)
