"""What a run leaves behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FLOOR = "direct"
"""The target without a gateway."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One cell on one target, once.

    `cpu_ns` is the target's whole process tree until it was idle again; None where there is no process.
    `probe_ns` is what a fixed piece of work cost on the target's core meanwhile, `foreign_cores` how much of
    that core went to processes that are not ours, `load_cores` how much the load and the upstream used.
    """

    target: str
    cell: str
    repetition: int
    requests: int
    chunks: int
    seconds: float
    cpu_ns: int | None
    p50_ms: float
    p99_ms: float
    probe_ns: int
    foreign_cores: float
    load_cores: float
    faults: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a target: until its first answer, and its resident memory idle and after all cells."""

    target: str
    repetition: int
    seconds: float
    idle_bytes: int
    after_bytes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What one target gave in one repetition: samples without a fault, by cell; `floor` are those without a gateway."""

    samples: Mapping[str, Sample]
    floor: Mapping[str, Sample]
    start: Start | None


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run. `targets` are versions by name, `cells` what each cell is, both in the order of the report."""

    date: str
    command: str
    machine: Mapping[str, str]
    targets: Mapping[str, str]
    cells: Mapping[str, str]
    samples: Sequence[Sample]
    starts: Sequence[Start]

    def turns(self, target: str) -> Sequence[Turn]:
        """A target's turns, one for each repetition."""
        repetitions = sorted({sample.repetition for sample in self.samples})
        return [
            Turn(
                self._samples(target, repetition),
                self._samples(FLOOR, repetition),
                next((s for s in self.starts if (s.target, s.repetition) == (target, repetition)), None),
            )
            for repetition in repetitions
        ]

    def faults(self) -> Sequence[str]:
        """What made samples invalid, in words."""
        return [
            f"{sample.cell} on {sample.target}, repetition {sample.repetition + 1}: {reason} ({times} times)"
            for sample in self.samples
            for reason, times in sample.faults.items()
        ]

    def _samples(self, target: str, repetition: int) -> Mapping[str, Sample]:
        return {
            sample.cell: sample
            for sample in self.samples
            if (sample.target, sample.repetition) == (target, repetition) and not sample.faults
        }
