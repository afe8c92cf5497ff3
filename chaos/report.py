"""What is printed: one table, and what it was measured on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos.findings import Finding

EXAMPLES = 5
"""How many faults of a claim are shown; the file has all."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: when, how and on what, and what each experiment has found."""

    date: str
    command: str
    seed: int
    machine: Mapping[str, str]
    findings: Mapping[str, Sequence[Finding]]

    @property
    def holds(self) -> bool:
        return all(finding.holds for found in self.findings.values() for finding in found)

    def markdown(self) -> str:
        """The table with what belongs to it."""
        lines = [_row(["", "claim", "measured", "holds"]), _row([":--"] * 4)]
        machine = ", ".join(f"{name} {value}".strip() for name, value in self.machine.items())
        for name, found in self.findings.items():
            for finding in found:
                held = "yes" if finding.holds else "**no**"
                lines.append(_row([name, finding.claim, finding.measured, held]))
        return "\n".join([
            *lines,
            "",
            f"{self.date}, `{self.command}`, seed {self.seed}. {machine}.",
            *self._faults(),
        ])

    def _faults(self) -> Iterable[str]:
        for name, found in self.findings.items():
            for finding in found:
                yield from (f"\n{name}: {fault}" for fault in finding.faults[:EXAMPLES])

    def write(self, path: Path) -> None:
        """Everything, for whoever wants to look closer."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
