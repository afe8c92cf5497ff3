"""Results of runs that never took place."""

from collections.abc import Sequence
from dataclasses import replace

from bench.samples import Results, Sample, Start

SAMPLE = Sample(
    target="gateway",
    cell="request",
    repetition=0,
    requests=1000,
    chunks=0,
    seconds=1.0,
    cpu_ns=100_000_000,
    p50_ms=1.0,
    p99_ms=2.0,
    probe_ns=400_000,
    foreign_cores=0.0,
    load_cores=0.5,
    faults={},
)
START = Start(target="gateway", repetition=0, seconds=1.0, idle_bytes=60_000_000, after_bytes=70_000_000)


def results(*samples: Sample, starts: Sequence[Start] = ()) -> Results:
    return Results(
        date="2026-01-02 03:04 UTC",
        command="python -m bench",
        machine={"cores:": "2"},
        targets={"direct": "", "gateway": "1.0", "litellm": "2.0"},
        cells={"request": "small ones"},
        samples=samples,
        starts=starts,
    )


def sample(target: str, cell: str = "request", repetition: int = 0, **more) -> Sample:
    return replace(SAMPLE, target=target, cell=cell, repetition=repetition, **more)
