"""The step `choice`: which texts become tokens, by the tokens that they save on the corpus.

A text that comes n times and has k tokens saves n (k - 1) where it is one. Sentences, and sentences in a row, are the candidates;
one that holds another takes the other's uses away, so what a candidate still saves is counted anew before it is taken (lazy
greedy, "CELF": Leskovec et al., 2007, which is within 1 - 1/e of the best choice for a gain of this kind).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import accumulate
from pathlib import Path

import msgspec

from scenes.former import text_of
from scenes.hypertokens import InvalidHypertokens, check_phrase
from scenes.pieces import sentences
from scenes.scene import DELTA, Register
from training import lines
from training.book import Text
from training.forming import PLAIN, register_of, scenes_of, texts_of
from training.plot import Line, lines_svg
from training.recipe import Choice
from training.steps import Figures
from training.wrong import Wrong

TEXTS = "texts.jsonl"
REPORT = "report.json"
PLOT = "saved.svg"

Length = Callable[[str], int]
"""How many tokens a text has by the base's own tokenizer."""


class Chosen(msgspec.Struct, frozen=True):
    """A text that was chosen: how often it is used beside those chosen before, and how many tokens that saves."""

    phrase: str
    tokens: int
    uses: int
    saved: int
    register: Register | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """Sentences in a row, as they stand in one text: each from its start to its end, without the space around it."""

    text: str
    spans: Sequence[tuple[int, int]]


def passages(texts: Iterable[str]) -> Iterator[Passage]:
    for text in texts:
        spans = []
        for start, end in sentences(text):
            said = text[start:end]
            first = start + len(said) - len(said.lstrip())
            last = start + len(said.rstrip())
            if first < last:
                spans.append((first, last))
        yield Passage(text, spans)


def chosen(
    found: Sequence[Passage], settings: Choice, length: Length, registers: Callable[[str], Register | None]
) -> Iterator[Chosen]:
    """The best texts, best first."""
    places = _places(found, settings)
    lengths = {phrase: length(phrase) for phrase in places}
    taken: dict[int, list[tuple[int, int]]] = defaultdict(list)
    heap = [
        (-len(uses) * (lengths[phrase] - 1), phrase)
        for phrase, uses in places.items()
        if lengths[phrase] >= settings.least_tokens
    ]
    heapify(heap)
    told = 0
    while heap and told < settings.count:
        expected, phrase = heappop(heap)
        free = [use for use in places[phrase] if not _covered(taken[use[0]], use[1], use[2])]
        saved = len(free) * (lengths[phrase] - 1)
        if len(free) < settings.least_uses:
            continue
        if -saved > expected:  # some of its uses are gone: it waits for its turn anew
            heappush(heap, (-saved, phrase))
            continue
        for passage, start, end in free:
            taken[passage].append((start, end))
        told += 1
        yield Chosen(phrase, lengths[phrase], len(free), saved, registers(phrase))


def texts(found: Iterable[Chosen]) -> Iterator[Text]:
    """With their numbers, as `hypertokens` takes them."""
    for number, each in enumerate(found, 1):
        yield Text(each.phrase, f"{DELTA}{number}", register=each.register)


def _places(found: Sequence[Passage], settings: Choice) -> dict[str, list[tuple[int, int, int]]]:
    """Where each candidate stands: passage, start, end. Only those that come often enough."""
    counts: Counter[str] = Counter()
    for passage in found:
        counts.update(phrase for phrase, _, _ in _runs(passage, settings.longest))
    often = {phrase for phrase, uses in counts.items() if uses >= settings.least_uses and _can_be(phrase)}
    places: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for number, passage in enumerate(found):
        for phrase, start, end in _runs(passage, settings.longest):
            if phrase in often:
                places[phrase].append((number, start, end))
    return places


def _runs(passage: Passage, longest: int) -> Iterator[tuple[str, int, int]]:
    for at, (start, _) in enumerate(passage.spans):
        for _, end in passage.spans[at : at + longest]:
            yield passage.text[start:end], start, end


def _covered(taken: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return any(begin < end and start < last for begin, last in taken)


def _can_be(phrase: str) -> bool:
    try:
        check_phrase(phrase)
    except InvalidHypertokens:
        return False
    return True


def make(settings: Choice, run: Path, out: Path, length: Length) -> Figures:
    """Writes the texts for `tokens`, a report and a plot. Raises Wrong where nothing pays."""
    folder = run / "scenes"
    registers = _registers(folder)
    said = list(dict.fromkeys(texts_of(folder).values()))
    found = [*chosen([*passages(said)], settings, length, registers.get)]
    if not found:
        raise Wrong(
            f"choice: no text of {settings.least_tokens} tokens or more comes {settings.least_uses} times: "
            "give a larger corpus, or lower least_tokens and least_uses"
        )
    corpus_tokens = sum(map(length, said))
    saved = list(accumulate(each.saved for each in found))
    lines.write(out / TEXTS, texts(found))
    report = {"schema": "hb.choice/1", "corpus_tokens": corpus_tokens, "chosen": found}
    (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    points = [
        (0.0, 0.0),
        *((float(number), 100 * total / corpus_tokens) for number, total in enumerate(saved, 1)),
    ]
    (out / PLOT).write_text(
        lines_svg("Tokens of the corpus that are saved, in percent", "hypertokens", [Line("saved", points)]),
        "utf-8",
    )
    return {
        "texts": len(found),
        "corpus_tokens": corpus_tokens,
        "saved_tokens": saved[-1],
        "saved_share": saved[-1] / corpus_tokens,
    }


def _registers(folder: Path) -> Mapping[str, Register]:
    """The register of each sentence: that of the first scene with it that has one."""
    found: dict[str, Register] = {}
    sources = texts_of(folder)
    for scene in scenes_of(folder):
        register = register_of(scene)
        if register == PLAIN:
            continue
        for passage in passages([text_of(scene, sources)]):
            for start, end in passage.spans:
                found.setdefault(passage.text[start:end], register)
    return found
