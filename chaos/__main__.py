"""`python -m chaos`: run the experiments, print the table."""

import argparse
import asyncio
import secrets
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench import machine
from bench.processes import Cores
from chaos.experiments import EXPERIMENTS, SOAK_CALLS, Order
from chaos.findings import Finding
from chaos.report import Run

RESULTS = Path(__file__).parent / "results" / "run.json"
INTERRUPTED = 130


def main() -> int:
    """Exits with 1 where a claim does not hold."""
    options = _parser().parse_args()
    order = Order(options.seed, options.requests, _tell)
    found: dict[str, Sequence[Finding]] = {}
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for name in options.only or EXPERIMENTS:
                found[name] = runner.run(EXPERIMENTS[name](order))
    except KeyboardInterrupt:
        _tell("stopped")
        return INTERRUPTED
    run = Run(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=shlex.join(["python", "-m", "chaos", *sys.argv[1:]]),
        seed=options.seed,
        machine={name: value for name, value in machine.described(Cores.of_this_machine()).items() if name},
        findings=found,
    )
    print(run.markdown())
    run.write(RESULTS)
    return 0 if run.holds else 1


def _parser() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(
        prog="python -m chaos",
        description="Put faults before the gateway, and measure whether it keeps what it promises.",
        epilog="Takes a quarter of an hour. Nothing but the loopback address is talked to.",
    )
    asked.add_argument(
        "--only", action="append", choices=list(EXPERIMENTS), help="this experiment; may be repeated"
    )
    asked.add_argument(
        "--requests", type=_count, default=SOAK_CALLS, help=f"of the soak, default {SOAK_CALLS}"
    )
    asked.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of all that is random")
    return asked


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 100:
        raise argparse.ArgumentTypeError("a whole number of at least 100")
    return int(text)


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
