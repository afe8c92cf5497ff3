"""How fast the core is right now: a process of its own that times a fixed piece of work, a few times a second.

On virtual machines the same work costs up to twice the CPU time for minutes at a time, with nothing else to see
of it. For each line on its standard input it prints the nanoseconds that the work took since the last one.
"""

import select
import sys
from statistics import median
from time import process_time_ns

PAUSE_SECONDS = 0.05
"""Between two looks; with about 0.4 ms of work each they take 1 % of the core."""


def work() -> int:
    """Nanoseconds of CPU time for a fixed mix of what a gateway in Python does: calls, dicts, bytes."""
    begun = process_time_ns()
    for number in range(1000):
        line = b"%x: lumen" % number
        name, _, value = line.partition(b": ")
        {name: value}.get(name, b"").find(b"n")
    return process_time_ns() - begun


def main() -> None:
    """Time the work until standard input ends."""
    seen = [work()]
    while True:
        if not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            seen.append(work())
        elif sys.stdin.readline():
            print(round(median(seen or [work()])), flush=True)
            seen.clear()
        else:
            return


if __name__ == "__main__":
    main()
