"""A document as the parsers of scenes take it: turns, and whose they are."""

from collections.abc import Iterator, Sequence

from scenes.former import Whose
from scenes.pieces import Piece, Turn, piece, sentences
from scenes.scene import Kind
from training.corpus.document import Document

CREATED = "1970-01-01T00:00:00Z"
"""Of every scene of a corpus: the same documents make the same lines."""


def turns(document: Document) -> Sequence[Turn]:
    """What was said; what a system text says is an instruction and no scene."""
    if document.text:
        return [Turn("", "user", document.text)]
    return [
        Turn(message.role, "assistant" if message.role == "assistant" else "user", message.content)
        for message in document.messages
        if message.role != "system"
    ]


def spoken(document: Document) -> Iterator[Piece]:
    """The sentences of all turns."""
    for turn in turns(document):
        for start, end in sentences(turn.text):
            if turn.text[start:end].strip():
                yield piece(turn, start, end)


def whose(document: Document) -> Whose:
    return Whose("corpus", document.id, CREATED)


def kind(document: Document) -> Kind:
    return "dialogue" if document.messages else "document"
