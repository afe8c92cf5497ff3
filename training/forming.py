"""The step `scenes`: documents become scenes, by rules, by a model behind the gateway, or by hand.

    scenes/logic.jsonl  emotion.jsonl  archetype.jsonl  function.jsonl  plain.jsonl    a line is a scene (`hb.scene/1`)
    scenes/sources.jsonl                                                               their texts, by hash

A scene stands in the file of the register that weighs most in it, and in `plain` where none is marked. Every word of a scene is
its source's: `scenes.former.text_of` gives the text back, which the step checks for each.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import msgspec

from scenes.former import formed, text_of
from scenes.scene import Register, Scene, hash_of, json_schema, read, write
from training.corpus.document import Document
from training.corpus.making import read as documents_of
from training.corpus.turns import kind, turns, whose
from training.engine import mapped
from training.lines import Aside, SetAside
from training.meanings import Meanings
from training.parser import Parser
from training.progress import Progress
from training.recipe import Scenes
from training.sheet import filled_in
from training.steps import Figures
from training.wrong import Wrong

PLAIN: Literal["plain"] = "plain"
REGISTERS: Sequence[Register] = get_args(Register)
FILES: Sequence[str] = (*REGISTERS, PLAIN)
SOURCES = "sources.jsonl"
ASIDE = "aside.jsonl"


class Source(msgspec.Struct, frozen=True):
    """A text that scenes are cut out of."""

    hash: str
    text: str


def make(settings: Scenes, run: Path, out: Path, progress: Progress) -> Figures:
    """Writes the scenes of all documents, split by register. Raises Wrong where there are none."""
    (out / ASIDE).unlink(missing_ok=True)
    aside = SetAside(out / ASIDE)
    meanings = Meanings.of(settings.vectors)
    documents = islice(documents_of(run), settings.most)
    spent: Figures = {}
    if settings.by == "model" and settings.model is not None:
        with Parser(settings.model, out) as parser:
            found = ((parser.scenes(document), document) for document in documents)
            counts = _write(progress.over("documents", found), out, meanings, aside)
            spent = parser.figures
    else:
        by_hand = settings.sheet if settings.by == "hand" else None
        told = (
            filled_in(by_hand, documents, aside) if by_hand else mapped(by_rules, documents, settings.engine)
        )
        counts = _write(progress.over("documents", told), out, meanings, aside)
    if not counts.total():
        raise Wrong("scenes: no document has any")
    (out / "scene.schema.json").write_bytes(msgspec.json.format(msgspec.json.encode(json_schema()), indent=1))
    by_register = {register: counts[register] for register in FILES if counts[register]}
    return {"scenes": counts.total(), **by_register, "set_aside": aside.count, **spent}


def by_rules(document: Document) -> Sequence[Scene]:
    return [*formed(turns(document), whose(document), kind(document))]


def scenes_of(folder: Path) -> Iterator[Scene]:
    """The scenes in a folder of this step, register after register. Raises Wrong for a line that is none."""
    for path in (folder / f"{name}.jsonl" for name in FILES):
        if path.exists():
            with path.open("rb") as lines:
                yield from _scenes(path, lines)


def _scenes(path: Path, lines: Iterable[bytes]) -> Iterator[Scene]:
    for number, line in enumerate(lines, 1):
        try:
            yield read(line)
        except ValueError as fault:
            raise Wrong(f"{path}, line {number}: {fault}") from None


def texts_of(folder: Path) -> Mapping[str, str]:
    """The sources' texts, by their hashes."""
    with (folder / SOURCES).open("rb") as file:
        sources = (msgspec.json.decode(line, type=Source) for line in file)
        return {source.hash: source.text for source in sources}


def register_of(scene: Scene) -> Register | Literal["plain"]:
    """The one that weighs most; among equals the first of the list."""
    if not scene.registers:
        return PLAIN
    return max(REGISTERS, key=lambda name: scene.registers.get(name, 0.0))


def _write(
    found: Iterable[tuple[Sequence[Scene], Document]], out: Path, meanings: Meanings, aside: SetAside
) -> Counter[str]:
    counts: Counter[str] = Counter()
    known: set[str] = set()
    files = {name: (out / f"{name}.jsonl").open("wb") for name in FILES}
    try:
        with (out / SOURCES).open("wb") as sources:
            for scenes, document in found:
                texts = {hash_of(turn.text): turn.text for turn in turns(document)}
                for scene in scenes:
                    if not _whole(scene, texts):
                        aside.add(
                            Aside("scenes", 0, "a scene that its document does not give back", scene.id)
                        )
                        continue
                    register = register_of(scene)
                    files[register].write(write(meanings.put(scene, text_of(scene, texts))) + b"\n")
                    counts[register] += 1
                for name, text in texts.items():
                    if name not in known:
                        sources.write(msgspec.json.encode(Source(name, text)) + b"\n")
                known |= texts.keys()
    finally:
        for file in files.values():
            file.close()
    return counts


def _whole(scene: Scene, texts: Mapping[str, str]) -> bool:
    return all(span.source in texts and span.end <= len(texts[span.source]) for span in scene.source)
