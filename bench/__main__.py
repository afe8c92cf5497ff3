"""`python -m bench`: run a plan, print the table."""

import asyncio
import shlex
import signal
import sys
from datetime import UTC, datetime

import uvloop

from bench import machine, report
from bench.clocks import Unsteady
from bench.options import parser, plan
from bench.processes import Cores
from bench.samples import Results
from bench.series import Plan, Series, tell
from bench.targets import NotStarted

INTERRUPTED = 130


def main() -> int:
    """Exits with 1 where a sample was invalid or a target failed; a missed goal is only printed."""
    options = parser().parse_args()
    asked = plan(options)
    cores = Cores.of_this_machine()
    try:
        results = _measured(asked, cores)
    except (NotStarted, Unsteady, OSError) as error:
        tell(str(error))
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        tell("stopped")
        return INTERRUPTED
    print(report.markdown(results))
    if options.json is not None:
        report.write_json(results, options.json)
    return 1 if results.faults() else 0


def _measured(asked: Plan, cores: Cores) -> Results:
    series = Series(asked, cores)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_stoppable(series))
    return Results(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        machine=machine.described(cores),
        targets={target.name: target.version for target in asked.targets},
        cells={cell.name: cell.about for cell in asked.cells},
        samples=series.samples,
        starts=series.starts,
    )


async def _stoppable(series: Series) -> None:
    """A request to terminate stops the run as Ctrl-C does, processes and all."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await series.run()


if __name__ == "__main__":
    sys.exit(main())
