"""The benchmark as it is called, with cells that last a moment."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import clocks

ROOT = Path(__file__).parent.parent.parent
BENCH = [sys.executable, "-m", "bench", "--targets", "direct,gateway", "--repetitions", "1"]


def test_a_run_prints_the_table_and_writes_its_samples(tmp_path):
    file = tmp_path / "run.json"
    command = [*BENCH, "--cells", "request,fast,paced", "--seconds", "0.1", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "| CPU per request, ms | - | 0." in done.stdout
    assert "1/1 fast on gateway" in done.stderr
    samples = json.loads(file.read_text(encoding="utf-8"))["samples"]
    assert [(each["cell"], each["target"]) for each in samples] == [
        ("request", "direct"),
        ("request", "gateway"),
        ("fast", "gateway"),
        ("fast", "direct"),
        ("paced", "direct"),
        ("paced", "gateway"),
    ]
    assert all(each["requests"] and not each["faults"] for each in samples)
    assert all((each["cpu_ns"] is None) == (each["target"] == "direct") for each in samples)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_no_process(number):
    with subprocess.Popen(
        [*BENCH, "--seconds", "60"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        while not running.stderr.readline().startswith("starting gateway"):
            pass
        while len(started := clocks.tree(running.pid)) < 4:  # itself, upstream, probe, gateway
            pass
        running.send_signal(number)
        assert running.wait(timeout=20) == 130
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--targets", "nginx"], "unknown: nginx (known: direct, gateway, litellm)"),
        (["--cells", "request,large"], "unknown: large (known: request, "),
        (["--repetitions", "0"], "a whole number of at least 1"),
        (["--seconds", "0"], "a number above 0"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_starts(arguments, message):
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
