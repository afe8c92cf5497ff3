"""The command line: `make bench ARGS='...'`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.cells import cells
from bench.series import Plan
from bench.targets import TARGETS

SECONDS = 2.0
REPETITIONS = 3
QUICK_SECONDS = 0.5
LONGEST_SECONDS = 60.0

EPILOG = """\
Every figure is a median over the repetitions; in each of them the targets take turns in every cell. CPU is that
of the target's whole process tree, which has a core to itself. Nothing but the loopback address is talked to;
only the first run installs LiteLLM, into .venv-litellm. docs/benchmarks.md has the method and a table.
"""


def parser() -> argparse.ArgumentParser:
    """What may be asked."""
    known = cells(slow_chunks=0)
    asked = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure what the gateway costs, beside no gateway at all and beside LiteLLM.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    asked.add_argument(
        "--targets",
        type=_names(TARGETS),
        default=list(TARGETS),
        metavar="A,B",
        help=f"of {', '.join(TARGETS)}",
    )
    asked.add_argument(
        "--cells", type=_names(known), default=list(known), metavar="A,B", help=f"of {', '.join(known)}"
    )
    asked.add_argument("--repetitions", type=_count, help=f"default {REPETITIONS}")
    asked.add_argument("--seconds", type=_seconds, help=f"of load in a cell, default {SECONDS:g}")
    asked.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    asked.add_argument(
        "--quick",
        action="store_true",
        help="one repetition of short cells, in a minute: a look, not a result",
    )
    return asked


def plan(options: argparse.Namespace) -> Plan:
    """What the options ask for."""
    known = cells(slow_chunks=16 if options.quick else 64)
    return Plan(
        targets=[TARGETS[name]() for name in options.targets],
        cells=[known[name] for name in options.cells],
        repetitions=options.repetitions or (1 if options.quick else REPETITIONS),
        seconds=options.seconds or (QUICK_SECONDS if options.quick else SECONDS),
    )


def _names(known: Mapping[str, object]) -> Callable[[str], Sequence[str]]:
    """Reads names of a known set, and gives them in its order."""

    def read(text: str) -> Sequence[str]:
        asked = text.split(",")
        if unknown := [name for name in asked if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (known: {', '.join(known)})")
        return [name for name in known if name in asked]

    return read


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"a number above 0, at most {LONGEST_SECONDS:g}")
    return seconds
