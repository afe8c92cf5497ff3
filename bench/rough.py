"""Fits the tables of `scenes/rough.py` against six vocabularies: `python -m bench.rough DIRECTORY [--write]`.

It learns from files of this machine's packages and from every second part of the texts, and prints the errors on the
other parts, by family and by kind. Without `--write` it judges the tables as they stand.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

from app.codecs.vocabularies import Vocabularies, found_in
from bench.texts import logs, texts
from scenes import rough_counting as rough
from scenes.contracts import Counter
from scenes.rough import ROUGH
from scenes.rough_counting import FEATURES, KINDS, Vector

GROUPS: Mapping[str, Sequence[str]] = {
    "digits": ("qwen", "mistral"),
    "triples": ("cl100k", "o200k", "llama", "deepseek"),
}
PART = 2_000
"""Characters of a part that is learned from or judged by."""
PAIRS = KINDS * KINDS
_FOLDERS = (
    *(("/usr/share/doc", "*"), ("/usr/share", "*.json"), ("/etc", "*"), ("/usr/share/perl5", "*.pm")),
    *(("/usr/lib", "*.py"), ("/usr/share", "*.xml"), ("/usr/share", "*.txt"), ("/usr/share", "*.css")),
    *(("/var/lib/dpkg/info", "*.list"), ("/var/lib/dpkg/info", "*.md5sums"), ("/usr/include", "*.h")),
)
PRIOR, NEAR = 0.3, 0.2
"""What weights are held at, and how strongly: what is seldom seen stays there, and no two weights grow against each other."""
_FILES = 220
"""From each folder."""
_SENTENCES = (
    "γρήγορη καφέ αλεπού πηδάει πάνω από τον σκύλο. ",
    "快速的棕色狐狸跳过懒狗,然后继续跑向远方的山丘。",
    "素早い茶色の狐はのろまな犬を飛び越える。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘습니다. ",
    "Der schnelle braune Fuchs läuft über die Brücke nach Süden, wo größere Häuser stehen. ",
    "الثعلب البني السريع يقفز فوق الكلب الكسول. ",
    "😀🎉🚀 ok ✅ done ❌ ",
)


@dataclass(frozen=True, slots=True)
class Part:
    kind: str
    text: str


def main(arguments: Sequence[str]) -> None:
    directory, *rest = arguments
    vocabularies = Vocabularies(found_in(Path(directory)))
    own = [Part(text.kind, part) for text in texts() for part in _cut(text.content)]
    tables = {}
    for group, families in GROUPS.items():
        counters = [vocabularies.exact(family) for family in families]
        if rest == ["--write"]:
            tables[group] = _fitted([*_others(), *(part.text for part in own[::2])], counters)
        else:
            tables[group] = next(rough.weights(each.table) for each in ROUGH if each.name.endswith(group))
        for counter in counters:
            _judge(group, tables[group], own[1::2], counter)
    if rest == ["--write"]:
        _write(tables)


def _cut(text: str) -> Iterator[str]:
    return (text[start : start + PART] for start in range(0, len(text), PART))


def _others() -> Iterator[str]:
    """Parts of this machine's files, rows of numbers, and languages."""
    chance = logs.drawn("rough")
    for folder, pattern in _FOLDERS:
        files = sorted(
            path for path in Path(folder).rglob(pattern) if path.is_file() and not path.is_symlink()
        )
        chance.shuffle(files)
        for text in islice(filter(None, map(_text, files)), _FILES):
            start = chance.randrange(max(len(text) - PART, 1))
            yield text[start : start + PART]
    for _ in range(150):
        numbers = [
            f"{chance.uniform(0, 10 ** chance.randrange(1, 9)):.{chance.randrange(6)}f}" for _ in range(120)
        ]
        between = chance.choice((",", " ", "\t", ";", "|"))
        yield "\n".join(between.join(numbers[row : row + 5]) for row in range(0, 120, 5))
    for each in texts("log", "listing"):
        yield from (_with_codes(part, chance) for part in islice(_cut(each.content), 6))
    for sentence in _SENTENCES:
        yield from (sentence * count for count in range(6, 18))


def _with_codes(text: str, chance: Random) -> str:
    """Codes in place of every third word or so, as a codebook leaves a text."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return re.sub(
        r"(?<= )[^ \n]+",
        lambda word: (
            f"§{chance.choice(letters)}{chance.choice(letters)}" if chance.random() < 0.35 else word[0]
        ),
        text,
    )


def _text(path: Path) -> str | None:
    try:
        text = path.read_bytes()[: 1 << 20].decode()
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) > 600 else None


def _fitted(parts: Sequence[str], counters: Sequence[Counter]) -> Vector:
    """Least squares of relative errors, of all counters at once; a few large errors weigh less than many small ones.

    No step takes tokens away, so that no text, however odd, has fewer than its beginning.
    """
    counted = np.array([rough.features(part) for part in parts])
    rows = np.concatenate([
        counted / np.array([[counter.count(part)] for part in parts]) for counter in counters
    ])
    weights = np.full(FEATURES, PRIOR)
    free = np.full(FEATURES, fill_value=True)
    for _ in range(12):
        scale = 1 / np.sqrt(np.maximum(np.abs(1 - rows @ weights), 0.03))
        held = np.concatenate((rows[:, free] * scale[:, None], NEAR * np.eye(free.sum())))
        weights[free] = np.linalg.lstsq(
            held, np.concatenate((scale, np.full(free.sum(), NEAR * PRIOR))), rcond=None
        )[0]
        free[:PAIRS] &= weights[:PAIRS] > 0
        weights[:PAIRS] = np.maximum(weights[:PAIRS], 0)
    return np.round(weights * 100).astype(np.int64)


def _judge(group: str, weights: Vector, parts: Sequence[Part], counter: Counter) -> None:
    errors: dict[str, list[float]] = {}
    for part in parts:
        error = abs(int(rough.features(part.text) @ weights) / 100 / counter.count(part.text) - 1)
        errors.setdefault(part.kind, []).append(error)
    for kind, found in (("all", [each for several in errors.values() for each in several]), *errors.items()):
        middle, high = np.quantile(found, (0.5, 0.95))
        print(
            f"{group:8} {counter.name:9} {kind:8} {len(found):4} parts  median {middle:6.1%}  p95 {high:6.1%}"
        )


def _write(tables: Mapping[str, Vector]) -> None:
    head = '"""Weights of `scenes/rough.py` in hundredths of a token, as `python -m bench.rough` fitted them."""\n'
    body = "".join(
        f'\n{group.upper()} = """\n{rough.written(weights)}\n"""\n' for group, weights in tables.items()
    )
    (Path(rough.__file__).parent / "rough_tables.py").write_text(head + body, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
