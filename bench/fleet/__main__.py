"""`python -m bench.fleet`: the choice of replicas beside what others do, on simulated vLLM servers; and what a choice costs."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import nan, sqrt
from pathlib import Path
from typing import get_args

from app.fleet.choice import LMetric
from app.fleet.prefixes import Prefixes, cut
from app.fleet.replica import Asked, Replica
from app.fleet.residency import Residency
from bench.fleet.simulation import Name, Setting, run
from bench.fleet.workload import Habits, calls
from training.plot import Line, lines_svg

NAMES: tuple[Name, ...] = get_args(Name)
OURS: Name = "ours"
LEVELS = (0.5, 0.65, 0.8, 0.95)
AIM = 0.8
"""Of the fleet's capacity."""
WARM_SECONDS, COUNTED_SECONDS, LATE_SECONDS = 100.0, 300.0, 60.0
GOAL = 0.5
ALL_DONE = 0.999
FLOOD = 160.0
"""Calls a second that no policy keeps up with."""
T_95: Mapping[int, float] = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 10: 2.26}
"""Student's t for 95 %, by the number of seeds."""
HABITS: Mapping[str, Habits] = {
    "as usual": Habits(),
    "8 adapters": Habits(adapters=8),
    "1,000 adapters, wanted alike": Habits(adapters=1000, zipf=0.0),
    "no bursts": Habits(burst_times=1.0),
    "hardly a conversation": Habits(turns=1.2),
}
"""Where a policy's strength lies is seen where calls are otherwise."""
USUAL = "as usual"
COMPARED: tuple[Name, ...] = (OURS, "bounded hash", "sgl cache-aware", "llm-d")
SETTING = Setting(warm=WARM_SECONDS, until=WARM_SECONDS + COUNTED_SECONDS + LATE_SECONDS)


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run shows: seconds to the first token; adapters loaded for 1,000 calls; shares of tokens cached and of calls done."""

    policy: str
    level: float
    seed: int
    p50: float
    p90: float
    p99: float
    disk_loads: float
    memory_loads: float
    cached: float
    done: float


def main() -> int:
    """Prints tables; a missed goal is printed and no more."""
    options = _parser().parse_args()
    seeds = range(1, options.seeds + 1)
    figures: list[Figure] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for habits in HABITS:
            names, levels = (NAMES, LEVELS) if habits == USUAL else (COMPARED, (AIM,))
            capacity = max(pool.map(_capacity, names, [habits] * len(names)))
            print(
                f"Calls come {habits}: {capacity:.1f} a second are answered at most (the best policy, offered {FLOOD:g}).\n"
            )
            jobs = [
                _Job(name, habits, level, capacity, seed)
                for level in levels
                for name in names
                for seed in seeds
            ]
            found = list(pool.map(_figure, jobs))
            for level in levels:
                print(_table([each for each in found if each.level == level], names, level), flush=True)
            figures += found if habits == USUAL else []
    print(_verdict([each for each in figures if each.level == AIM]))
    print(_choice_cost())
    if options.into is not None:
        _write(options.into, figures)
    return 0


@dataclass(frozen=True, slots=True)
class _Job:
    name: Name
    habits: str
    level: float
    capacity: float
    seed: int


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="runs of each policy at each load (5)"
    )
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="at once (2)")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="write every figure and the plots there")
    return parser


def _capacity(name: Name, habits: str) -> float:
    """Calls a second that are answered where far too many come."""
    setting = replace(SETTING, until=WARM_SECONDS + COUNTED_SECONDS)
    ran = run(name, calls(HABITS[habits], FLOOD, setting.until, 0), setting)
    return sum(call.end > WARM_SECONDS for call in ran.calls) / COUNTED_SECONDS


def _figure(job: _Job) -> Figure:
    rate = job.level * job.capacity
    ran = run(job.name, calls(HABITS[job.habits], rate, WARM_SECONDS + COUNTED_SECONDS, job.seed), SETTING)
    counted = [call for call in ran.calls if call.at > WARM_SECONDS]
    waits = sorted(call.first - call.at if call.first == call.first else LATE_SECONDS for call in counted)
    return Figure(
        job.name,
        job.level,
        job.seed,
        p50=waits[len(waits) // 2],
        p90=waits[int(0.9 * len(waits))],
        p99=waits[int(0.99 * len(waits))],
        disk_loads=1000 * ran.loads("disk") / len(counted),
        memory_loads=1000 * ran.loads("cpu") / len(counted),
        cached=sum(engine.cached_tokens for engine in ran.engines)
        / sum(call.blocks.tokens for call in ran.calls),
        done=sum(call.end == call.end for call in counted) / len(counted),
    )


def _table(figures: Sequence[Figure], names: Sequence[Name], level: float) -> str:
    head = "| at {:.0%} of it | TTFT p50, s | p90 | p99 | p99, beside ours | loads from disk / 1,000 | from memory / 1,000 | cached | done |"
    lines = [head.format(level), "| :-- | --: | --: | --: | --: | --: | --: | --: | --: |"]
    ours = [each for each in figures if each.policy == OURS]
    for name in names:
        own = [each for each in figures if each.policy == name]
        ratio = _interval([each.p99 / mine.p99 for each, mine in zip(own, ours, strict=True)])
        cells = [
            _mean(own, "p50", 3),
            _mean(own, "p90", 2),
            _mean(own, "p99", 2),
            "" if name == OURS else ratio,
        ]
        cells += [
            _mean(own, "disk_loads", 1),
            _mean(own, "memory_loads", 0),
            _mean(own, "cached", 2),
            _mean(own, "done", 3),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _mean(figures: Sequence[Figure], name: str, digits: int) -> str:
    return f"{statistics.fmean(getattr(each, name) for each in figures):.{digits}f}"


def _interval(values: Sequence[float]) -> str:
    """The mean, and its interval of 95 % by Student's t."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.1f}"
    half = T_95.get(len(values), 2.0) * statistics.stdev(values) / sqrt(len(values))
    return f"{mean:.1f} ± {half:.1f}"


def _verdict(figures: Sequence[Figure]) -> str:
    """Ours beside the best of the others, in each measure; of those that load, the ones that answer all calls."""
    lines = []
    for measure, said in (
        ("p99", "p99 TTFT"),
        ("disk_loads", "loads from disk"),
        ("memory_loads", "loads from memory"),
    ):
        means = {name: _of(figures, name, measure) for name in NAMES}
        rivals = {
            name: value
            for name, value in means.items()
            if not name.startswith(OURS) and _of(figures, name, "done") > ALL_DONE
        }
        best = min(rivals, key=lambda name: rivals[name])
        share = means[OURS] / rivals[best] if rivals[best] else nan
        met = "met" if share <= GOAL else "missed"
        lines.append(f"{said} at {AIM:.0%}: {share:.2f} of the best other ({best}); goal {GOAL}: {met}")
    return "\n".join(lines) + "\n"


def _of(figures: Sequence[Figure], name: Name, measure: str) -> float:
    return statistics.fmean(getattr(each, measure) for each in figures if each.policy == name)


def _choice_cost(replicas: int = 64, rounds: int = 3000) -> str:
    """What one choice costs where all replicas are candidates, in processor time."""
    prefixes = Prefixes()
    seats = [Replica(f"r{place}", place, Residency(8, 32), 8) for place in range(replicas)]
    prompts = [cut([bytes([65 + each]) * 8000], f"a{each}@00000000", "t") for each in range(20)]
    policy = LMetric(prefixes)
    for each in range(20):
        for seat in seats[each : each + 8]:
            prefixes.note(seat.place, prompts[each])
    spent = []
    for turn in range(rounds):
        asked = Asked(f"a{turn % 20}@00000000", prompts[turn % 20])
        began = time.process_time_ns()
        choice = policy.choose(asked, seats, 0.0)
        spent.append(time.process_time_ns() - began)
        choice.replica.begin(asked, choice.cached, 0.0)
    return f"A choice among {replicas} replicas: {statistics.median(spent) / 1000:.1f} us of processor time (median of {rounds}); goal 50.\n"


def _write(folder: Path, figures: Sequence[Figure]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(
        json.dumps([asdict(each) for each in figures], indent=1) + "\n", "utf-8"
    )
    shown: tuple[Name, ...] = (OURS, "llm-d", "sgl cache-aware", "bounded hash")
    for name, title in (
        ("p99", "p99 time to first token, s"),
        ("disk_loads", "adapters loaded from disk for 1,000 calls"),
    ):
        lines = [
            Line(
                policy,
                [
                    (
                        100 * level,
                        statistics.fmean(
                            getattr(each, name)
                            for each in figures
                            if each.policy == policy and each.level == level
                        ),
                    )
                    for level in LEVELS
                ],
            )
            for policy in shown
        ]
        (folder / f"{name}.svg").write_text(
            lines_svg(title, "load, % of what the fleet answers", lines), "utf-8"
        )


if __name__ == "__main__":
    sys.exit(main())
