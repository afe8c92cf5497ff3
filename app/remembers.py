"""What recalls and remembers for calls, made of a configuration and of what lasts behind all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.passages import HttpPassages
from app import config
from app.archive import Archive
from app.contracts import Call
from app.exchange import Noted, Recalls
from app.journal import Record
from app.noting import Note, Noting
from app.overheard import Overheard
from app.pins import HeldPins, Pins
from app.recollection import Outside, Recollection
from app.retriever import Retriever
from app.retrieving import Bounded
from app.scene_vectors import Vectors

if TYPE_CHECKING:
    from app.store.opening import Store


@dataclass(frozen=True, slots=True)
class Remembers:
    """The memory, who remembers answers in it, and what was put beneath questions."""

    archive: Archive
    noting: Noting
    pins: Pins

    @classmethod
    def nothing(cls) -> "Remembers":
        """Where there is no memory."""
        archive = Archive(None)
        return cls(archive, Noting(archive, lambda _: None), HeldPins())

    def recalls(self, settings: config.Scenes, vectors: Vectors | None) -> Recalls:
        outside = _outside(settings.retrievers)
        return Recollection(self.archive, vectors, outside, self.pins, settings.memory.recall_tokens).recalled

    def noted(self, settings: config.Scenes, vectors: Vectors | None) -> Noted:
        def begin(call: Call, record: Record, heard: Overheard) -> None:
            self.noting.begin(Note(call, record, heard, vectors, settings.memory.expires_seconds))

        return begin


def pins_of(store: "Store | None") -> Pins:
    """In the database, or in this process where there is none."""
    if store is None:
        return HeldPins()
    from app.memory.pins import PinTable  # noqa: PLC0415 - what it imports takes a third of a second

    return PinTable(store.database)


def _outside(settings: Mapping[str, config.HttpRetriever | config.SqlRetriever]) -> Mapping[str, Outside]:
    return {
        name: Outside(
            Bounded(_retriever(each), each.timeout_seconds, each.limit),
            None if each.keys is None else frozenset(each.keys),
        )
        for name, each in settings.items()
    }


def _retriever(settings: config.HttpRetriever | config.SqlRetriever) -> Retriever:
    if isinstance(settings, config.HttpRetriever):
        return HttpPassages(settings.url, settings.api_key, settings.limit, settings.timeout_seconds)
    from app.store.passages import SqlPassages  # noqa: PLC0415 - as above

    return SqlPassages(settings.url, settings.query, settings.limit, settings.timeout_seconds)
