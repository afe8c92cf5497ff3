"""Scenes by hand: a spreadsheet with a row for each sentence, which people fill in and give back (CSV, UTF-8 with a mark, as
spreadsheet programs write it).

    document, sentence, text, scene, agent, tension, context, archetype, registers, hyperlexeme

`document`, `sentence` and `text` are given and must stay. Sentences with the same `scene` are one scene, in a row; what is said of
it stands in any of its rows. `tension` is `yes` at the sentence that has it, registers are names with `+` between them.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import get_args

import msgspec

from scenes.former import scene_of
from scenes.pieces import Piece
from scenes.scene import Archetype, Register, Scene, hash_of
from training.corpus.document import Document
from training.corpus.turns import kind, spoken, whose
from training.lines import Aside, SetAside
from training.wrong import Wrong

COLUMNS = (
    "document",
    "sentence",
    "text",
    "scene",
    "agent",
    "tension",
    "context",
    "archetype",
    "registers",
    "hyperlexeme",
)
PARSER = "hand@1"
_FORMULA = ("=", "+", "-", "@", "\t")
"""What a spreadsheet program takes for a formula: such a text gets an apostrophe, as those programs do themselves."""

Row = Mapping[str, str]


def rows(document: Document, proposed: Sequence[Scene]) -> Iterator[Row]:
    """The rows of a document to be filled in, with scenes by rules as a proposal."""
    for number, sentence in enumerate(spoken(document), 1):
        scene, name = _around(sentence, proposed)
        yield {
            "document": document.id,
            "sentence": str(number),
            "text": _safe(sentence.text.strip()),
            "scene": name,
            "agent": _safe(scene.agent or "") if scene else "",
            "tension": "yes" if scene and scene.tension == sentence.text.strip() else "",
            "context": _safe(scene.context or "") if scene else "",
            "archetype": (scene.archetype or "") if scene else "",
            "registers": "+".join(scene.registers) if scene else "",
            "hyperlexeme": scene.hyperlexeme if scene else "",
        }


def write(path: Path, written: Iterable[Row]) -> int:
    """Raises OSError."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for count, row in enumerate(written, 1):  # noqa: B007 - counted for who asks
            table.writerow(row)
    return count


def filled_in(
    path: Path, documents: Iterable[Document], aside: SetAside
) -> Iterator[tuple[Sequence[Scene], Document]]:
    """The scenes of each document that has rows. Rows that cannot be used are set aside. Raises Wrong."""
    by_document = _read(path, aside)
    for document in documents:
        if document.id in by_document:
            yield [*_scenes(document, by_document.pop(document.id), path.name, aside)], document
    for name, left in by_document.items():
        for line, row in left:
            aside.add(Aside(path.name, line, f"no document of the corpus is {name}", row["text"]))


def _scenes(
    document: Document, numbered: Sequence[tuple[int, Row]], file: str, aside: SetAside
) -> Iterator[Scene]:
    own = dict(enumerate(spoken(document), 1))
    good = [(line, row) for line, row in numbered if _fits(line, row, own, file, aside)]
    for number, (_, group) in enumerate(groupby(good, lambda each: each[1]["scene"]), 1):
        told = list(group)
        if not told[0][1]["scene"]:
            continue
        try:
            said = _Said.of([row for _, row in told])
        except ValueError as fault:
            aside.add(Aside(file, told[0][0], str(fault), told[0][1]["text"]))
            continue
        found = [own[int(row["sentence"])] for _, row in told]
        yield said.put(scene_of(found, whose(document), kind(document), number))


@dataclass(frozen=True, slots=True)
class _Said:
    """What people said of one scene; what they left empty is what rules find."""

    agent: str
    tension: str
    context: str
    archetype: str
    registers: Sequence[str]
    hyperlexeme: str

    @classmethod
    def of(cls, told: Sequence[Row]) -> "_Said":
        """Raises ValueError."""
        first = {name: next((_plain(row[name]) for row in told if row[name].strip()), "") for name in COLUMNS}
        registers = [name.strip() for name in first["registers"].split("+") if name.strip()]
        if strange := [name for name in registers if name not in get_args(Register)]:
            raise ValueError(f"registers: {strange[0]!r} is none of {', '.join(get_args(Register))}")
        if first["archetype"] and first["archetype"] not in get_args(Archetype):
            raise ValueError(f"archetype: {first['archetype']!r} is none of {', '.join(get_args(Archetype))}")
        tension = next((_plain(row["text"]) for row in told if row["tension"].strip()), "")
        return cls(
            first["agent"], tension, first["context"], first["archetype"], registers, first["hyperlexeme"]
        )

    def put(self, scene: Scene) -> Scene:
        weight = round(1 / len(self.registers), 3) if self.registers else 0.0
        return msgspec.structs.replace(
            scene,
            parser=PARSER,
            agent=self.agent or scene.agent,
            tension=self.tension or scene.tension,
            context=self.context or scene.context,
            archetype=self.archetype or scene.archetype,
            registers=dict.fromkeys(self.registers, weight) if self.registers else scene.registers,
            hyperlexeme=self.hyperlexeme or scene.hyperlexeme,
        )


def _read(path: Path, aside: SetAside) -> dict[str, list[tuple[int, Row]]]:
    found: dict[str, list[tuple[int, Row]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            table = csv.DictReader(
                file, next(csv.reader([head], delimiter=_delimiter(head))), delimiter=_delimiter(head)
            )
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise Wrong(
                    f"{path}: no column is called {missing[0]!r}; the first line names {', '.join(COLUMNS)}"
                )
            for row in table:
                if None in row or None in row.values():
                    aside.add(
                        Aside(
                            path.name,
                            table.line_num + 1,
                            "more or fewer cells than columns",
                            str(row.get("text", "")),
                        )
                    )
                    continue
                found.setdefault(row["document"], []).append((table.line_num + 1, row))
    except (OSError, UnicodeDecodeError, csv.Error, StopIteration) as fault:
        raise Wrong(f"scenes.sheet: {path} cannot be read as CSV in UTF-8: {fault}") from None
    return found


def _delimiter(head: str) -> str:
    """Spreadsheet programs write what their language has: a semicolon where a comma stands in numbers."""
    return max(",;\t", key=head.count)


def _fits(line: int, row: Row, own: Mapping[int, Piece], file: str, aside: SetAside) -> bool:
    number = int(row["sentence"]) if row["sentence"].isdecimal() else 0
    if number not in own or own[number].text.strip() != _plain(row["text"]):
        aside.add(Aside(file, line, "`sentence` and `text` are not those that were given", row["text"]))
        return False
    return True


def _around(sentence: Piece, scenes: Sequence[Scene]) -> tuple[Scene | None, str]:
    name = hash_of(sentence.turn.text)
    for number, scene in enumerate(scenes, 1):
        if any(span.source == name and span.start <= sentence.start < span.end for span in scene.source):
            return scene, str(number)
    return None, ""


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
