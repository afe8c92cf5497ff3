"""What an experiment has found, claim by claim."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim, what was measured, and whether it holds; `faults` are examples of where it does not."""

    claim: str
    measured: str
    holds: bool
    faults: Sequence[str] = field(default=())
