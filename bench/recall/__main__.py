"""`python -m bench.recall`: how much of the evidence comes back from a long dialogue, and how often the right passage stays."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.codecs.meanings import Unmeaning, opened
from bench.recall import dialogues, passages
from bench.recall.sets import Dialogue, Searched, Unreadable, read
from bench.scenes.printed import Cell, Goal, Part, Table, markdown
from bench.texts import dialogues as made_dialogues
from bench.texts import passages as made_passages
from scenes.meaning import Meaning

SEEDS = (4, 5, 6)
"""What was chosen in the ranking was chosen by 1 to 3."""
EVIDENCE_GOAL = 90.0
KEPT_GOALS: Mapping[int, float] = {4: 99.0, 7: 98.0, 10: 97.0}


def main() -> int:
    """Prints tables; a missed goal is printed and no more. Ends with 1 where a file cannot be read."""
    options = _parser().parse_args()
    made = not (options.dialogues or options.passages)
    try:
        meaning = None if options.vectors is None else opened(options.vectors)
        if options.dialogues or made:
            print(markdown(_dialogues(_told(options), meaning)), end="\n\n")
        if options.passages or made:
            print(markdown(_passages(_searched(options), meaning)), end="\n\n")
    except (Unreadable, Unmeaning) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(
        prog="python -m bench.recall",
        description=__doc__,
    )
    asked.add_argument(
        "--dialogues", type=Path, metavar="FILE.jsonl", help="dialogues, one a line; default made ones"
    )
    asked.add_argument(
        "--passages",
        type=Path,
        metavar="FILE.jsonl",
        help="questions with passages, one a line; default made ones",
    )
    asked.add_argument(
        "--vectors", type=Path, metavar="FOLDER", help="with vectors of tokens as well (`make vectors`)"
    )
    asked.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of made sets, default 4 5 6")
    return asked


def _told(options: argparse.Namespace) -> Sequence[Dialogue]:
    return (
        read(options.dialogues, Dialogue) if options.dialogues else [*made_dialogues.dialogues(options.seeds)]
    )


def _searched(options: argparse.Namespace) -> Sequence[Searched]:
    return read(options.passages, Searched) if options.passages else [*made_passages.searches(options.seeds)]


def _dialogues(told: Sequence[Dialogue], meaning: Meaning | None) -> Part:
    asked = [dialogues.Asked(each, meaning) for each in told]
    methods = {**dialogues.METHODS, **({} if meaning is None else dialogues.BY_MEANING)}
    groups = [None, *dict.fromkeys(one.group for each in told for one in each.questions if one.group)]
    found = {
        (name, group): [dialogues.recall(finds, asked, ratio, group) for ratio in dialogues.RATIOS]
        for name, finds in methods.items()
        for group in groups
    }
    title = f"Evidence / questions with all of it, %; dialogues: {len(told)}, questions: {sum(len(each.questions) for each in told)}, tokens of a dialogue: {sum(each.total for each in asked) // len(told)}"
    rows = [
        (name, group or "all", *(f"{share:.1f} / {whole:.1f}" for share, whole in figures))
        for (name, group), figures in found.items()
    ]
    table = Table(title, ("method", "questions", *(f"{ratio}x" for ratio in dialogues.RATIOS)), rows)
    best = [*methods][-1]
    goal = Goal("evidence at 8x", found[best, None][-1][0], EVIDENCE_GOAL, "%", about=best)
    return Part("dialogues", [table], [goal])


def _passages(searched: Sequence[Searched], meaning: Meaning | None) -> Part:
    methods = {**passages.METHODS}
    if meaning is not None:
        methods["ours, with vectors"] = passages.by_meaning(meaning)
    found = {
        name: [passages.kept(keeps, searched, ratio) for ratio in passages.RATIOS]
        for name, keeps in methods.items()
    }
    rows: list[Sequence[Cell]] = [(name, *figures) for name, figures in found.items()]
    header = ("method", *(f"{ratio}x" for ratio in passages.RATIOS))
    table = Table(f"Gold passages kept, %; questions: {len(searched)}", header, rows)
    best = [*methods][-1]
    goals = [
        Goal(f"gold kept at {ratio}x", figure, KEPT_GOALS[ratio], "%", about=best)
        for ratio, figure in zip(passages.RATIOS, found[best], strict=True)
    ]
    return Part("passages", [table], goals)


if __name__ == "__main__":
    sys.exit(main())
