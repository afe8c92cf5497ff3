"""From turns of a dialogue, or passages of a document, to scenes: by rules alone, and every word of them is the source's. Pure.

A scene ends where a session ends, where the subject changes, and before it grows above its bound; a question stays with
its answer. What a scene says about its source (agent, tension, gist) is cut out of it, never written anew.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from scenes.facts import facts
from scenes.marks import ARCHETYPES, FAILURE, REGISTERS
from scenes.pieces import CHARACTERS_A_TOKEN, MOST_CHARACTERS, SENTENCE, Piece, Turn, likeness, pieces, roots
from scenes.scene import Archetype, Fact, Kind, Register, Scene, Span, Trust, hash_of

PARSER = "rules@1"
MOST_GIST_CHARACTERS = 40 * CHARACTERS_A_TOKEN
LEAST_COHESION = 0.06
"""The likeness (cosine of word counts) of two neighbours below which the subject has changed."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose scenes are formed, and when (UTC, ISO 8601); they expire at `expires`."""

    tenant: str
    session: str
    created: str
    expires: str | None = None


def formed(turns: Sequence[Turn], whose: Whose, kind: Kind = "dialogue", first: int = 1) -> Iterator[Scene]:
    """The scenes of the turns, in order; they are numbered from `first` on."""
    yield from grouped((piece for turn in turns for piece in pieces(turn)), whose, kind, first)


def grouped(found: Iterable[Piece], whose: Whose, kind: Kind = "dialogue", first: int = 1) -> Iterator[Scene]:
    """The same of turns that are cut already."""
    for number, group in enumerate(groups(found), first):
        yield scene_of(group, whose, kind, number)


def text_of(scene: Scene, sources: Mapping[str, str]) -> str:
    """What a scene was made of, from its sources by their hashes, a line end between what does not touch there.

    KeyError where a source is gone.
    """
    parts = list[str]()
    for before, span in zip((None, *scene.source), scene.source, strict=False):
        touches = before is None or (before.source, before.end) == (span.source, span.start)
        parts += ("" if touches else "\n", sources[span.source][span.start : span.end])
    return "".join(parts)


def groups(found: Iterable[Piece]) -> Iterator[Sequence[Piece]]:
    """What belongs together, by rules."""
    group: list[Piece] = []
    for piece in found:
        if group and _parts(group, piece):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _parts(group: Sequence[Piece], piece: Piece) -> bool:
    """Whether a new scene begins with this piece."""
    last = group[-1]
    if sum(each.size for each in group) + piece.size > MOST_CHARACTERS:
        return True
    if piece.turn.context != last.turn.context:
        return True
    if last.text.rstrip().endswith("?") and piece.turn.agent != last.turn.agent:
        return False
    said = sum((each.words for each in group), Counter[str]())
    return len(group) > 1 and likeness(said, piece.words) < LEAST_COHESION


def scene_of(group: Sequence[Piece], whose: Whose, kind: Kind, number: int) -> Scene:
    """The scene of these pieces, which has this number among its like."""
    text = "\n".join(piece.text for piece in group)
    source = tuple(Span(hash_of(piece.turn.text), piece.start, piece.end) for piece in group)
    words = sum((piece.words for piece in group), Counter[str]())
    agents = list(dict.fromkeys(piece.turn.agent for piece in group if piece.turn.agent))
    return Scene(
        id=hash_of(
            whose.tenant, whose.session, *(f"{span.source}:{span.start}:{span.end}" for span in source)
        ),
        tenant=whose.tenant,
        session=whose.session,
        kind=kind,
        trust=_least_trusted(group),
        agent=", ".join(agents) or None,
        tension=_tension(text),
        context=group[0].turn.context or None,
        archetype=_archetype(text),
        registers=registers(text),
        gist=_gist(text, words),
        hyperlexeme=hyperlexeme(words),
        delta=f"Δ{number}",
        facts=tuple(_facts(group)),
        source=source,
        tokens_raw=-(-len(text) // CHARACTERS_A_TOKEN),
        parser=PARSER,
        created=whose.created,
        expires=whose.expires,
    )


def _least_trusted(group: Sequence[Piece]) -> Trust:
    order: Sequence[Trust] = ("tool", "user", "assistant", "system")
    return min((piece.turn.trust for piece in group), key=order.index)


def _facts(group: Sequence[Piece]) -> Iterator[Fact]:
    for piece in group:
        name = hash_of(piece.turn.text)
        for found in facts(piece.text):
            span = Span(name, piece.start + found.start, piece.start + found.end)
            yield Fact(found.kind, found.text, span, must_keep=found.kind == "negation")


def _tension(text: str) -> str | None:
    """What is open: the last question, or else the first failure."""
    sentences = [found[0].strip() for found in SENTENCE.finditer(text)]
    asked = [sentence for sentence in sentences if sentence.endswith("?")]
    if asked:
        return cut(asked[-1])
    failed = next((sentence for sentence in sentences if FAILURE.search(sentence)), None)
    return None if failed is None else cut(failed)


def _archetype(text: str) -> Archetype | None:
    return next((name for name, shape in ARCHETYPES if shape.search(text)), None)


def registers(text: str) -> dict[Register, float]:
    """How much of each register the marked words speak, together 1; empty where none is marked."""
    words = Counter(re.findall(r"\w+", text.lower()))
    found = {name: sum(words[word] for word in marks) for name, marks in REGISTERS.items()}
    total = sum(found.values())
    return {name: round(count / total, 3) for name, count in found.items() if count} if total else {}


def _gist(text: str, words: Mapping[str, int]) -> str:
    """The sentence that says most: by its facts, and by how often its words come in the scene."""
    sentences = [found[0].strip() for found in SENTENCE.finditer(text) if found[0].strip()]
    return cut(max(sentences, key=lambda sentence: _worth(sentence, words), default=text.strip()))


def _worth(sentence: str, words: Mapping[str, int]) -> float:
    own = roots(sentence)
    return (2 * sum(1 for _ in facts(sentence)) + sum(words.get(word, 0) for word in own)) / sqrt(
        len(own) + 2
    )


def hyperlexeme(words: Mapping[str, int]) -> str:
    """The roots of the two or three words that come most, fused to one; "" where there are none."""
    most = sorted(words, key=lambda word: (-words[word], word))[:3]
    return "".join(most)


def cut(sentence: str) -> str:
    """The sentence, ended between two words where it is too long."""
    short = sentence[:MOST_GIST_CHARACTERS]
    return sentence if short == sentence else short.rsplit(None, 1)[0]
