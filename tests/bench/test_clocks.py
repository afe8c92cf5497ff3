import os
import subprocess
import sys

import pytest

from bench import clocks

FAMILY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "sum(range(3_000_000)); print('done', flush=True); input()"])
child.wait()
"""


@pytest.fixture
def family():
    """A process whose child works, and then waits."""
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "done\n"
        yield parent
        parent.communicate("\n")


def test_a_tree_holds_children_and_their_work(family):
    used = clocks.cpu_ns(family.pid)
    assert len(used) == 2
    assert used[max(used)] > 5_000_000
    assert clocks.resident_bytes(family.pid) > 5_000_000


async def test_a_tree_that_waits_is_idle(family):
    await clocks.idle(family.pid)


def test_our_own_clock_is_the_one_that_python_reads():
    before = clocks.own_cpu_ns()
    assert before <= clocks.cpu_ns(os.getpid())[os.getpid()] <= clocks.own_cpu_ns()


def test_a_new_process_counts_in_full_and_a_lost_one_spoils_the_count():
    assert clocks.used_ns({1: 10}, {1: 15, 2: 7}) == 12
    with pytest.raises(clocks.Unsteady):
        clocks.used_ns({1: 10, 2: 3}, {1: 15})
