"""`python -m bench.router`: what one decision of the classifier costs, by the length of the text.

Every text is a fresh one. CPU time of this process, so that what else the machine does adds little; the clock's own is
printed beside it.
"""

import argparse
import random
import time
from collections.abc import Sequence

from app.routing.classifier import Classifier, shipped
from app.routing.examples import SHIPPED, read
from bench.clocks import own_cpu_ns

GOAL_US = 300
SIZES = (100, 500, 2000)


def main() -> None:
    """Print a table."""
    asked = argparse.ArgumentParser(prog="python -m bench.router", description=__doc__)
    asked.add_argument("--texts", type=int, default=2000, help="of each length, default 2000")
    count = asked.parse_args().texts
    began = time.perf_counter()
    classifier = shipped()
    print(f"loaded in {(time.perf_counter() - began) * 1000:.0f} ms\n")
    print("| text | CPU, median | CPU, p99 | clock, median | clock, p99 |\n| :-- | --: | --: | --: | --: |")
    for size in SIZES:
        cpu, clock = _measured(classifier, _texts(size, count))
        figures = [_part(each, part) for each in (cpu, clock) for part in (0.5, 0.99)]
        print(f"| {size} bytes | " + " | ".join(f"{each:.0f} us" for each in figures) + " |")
    print(
        f"\nGoal for {size} bytes, p99 of at most {GOAL_US} us: {'met' if figures[1] <= GOAL_US else 'missed'}."
    )


def _texts(size: int, count: int) -> Sequence[str]:
    """Made of the shipped examples, one behind the other; of so many bytes in UTF-8."""
    chance = random.Random(size)  # noqa: S311 - texts, no secrets
    examples = [each.text for each in read([SHIPPED])]
    texts = []
    for _ in range(count):
        text = ""
        while len(text.encode()) < size:
            text += chance.choice(examples) + " "
        texts.append(text.encode()[:size].decode(errors="ignore"))
    return texts


def _measured(classifier: Classifier, texts: Sequence[str]) -> tuple[Sequence[float], Sequence[float]]:
    cpu, clock = [], []
    for text in texts:
        began, spent = time.perf_counter_ns(), own_cpu_ns()
        classifier.classify(text)
        cpu.append((own_cpu_ns() - spent) / 1000)
        clock.append((time.perf_counter_ns() - began) / 1000)
    return sorted(cpu), sorted(clock)


def _part(sorted_values: Sequence[float], part: float) -> float:
    return sorted_values[int(part * len(sorted_values))]


if __name__ == "__main__":
    main()
