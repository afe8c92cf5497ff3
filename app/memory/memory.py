"""What is remembered: the values, and the seam to where it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from scenes.scene import Kind, Scene, Trust

MOST_HITS = 200
"""Of one search."""

Way: TypeAlias = Literal["words", "vector"]
"""How a scene was found."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text that scenes were made from, by its hash (`scenes.scene.hash_of`); `trust` is who said it."""

    hash: str
    text: str
    trust: Trust


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for: scenes of the tenant, and of one session or all, of some kinds or all.

    They are found by the words of `query`, a text of any form, and by `vector`: the question's own unit vector by
    `encoder`, as float16, little-endian. Scenes that others took the place of are left out, but where `superseded`.
    """

    tenant: str
    query: str
    session: str | None = None
    vector: bytes | None = None
    encoder: str | None = None
    limit: int = 10
    kinds: frozenset[Kind] | None = None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A scene that was found. `score` orders the hits of one search, and means nothing beside another one's."""

    scene: Scene
    score: float
    by: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a tenant may have remembered: scenes, and the bytes of them, their vectors and their sources.

    `source_bytes` is of one text.
    """

    scenes: int = 100_000
    bytes: int = 1 << 30
    source_bytes: int = 8 << 20


BOUNDS = Bounds()


class Memory(Protocol):
    """The scenes in the database. Nothing is told of one tenant to another, not even that it is there.

    Every method raises StoreUnavailable where the database does not answer or takes nothing, and BadRequest where the
    name of a tenant or session can be nobody's.
    """

    async def put(self, scenes: Sequence[Scene], sources: Sequence[Source], *, numbered: bool = False) -> int:
        """Keep scenes of one tenant with the texts they were made from, all or none; gives how many are new.

        A scene that is known stays as it was, but gets its vector where it had none. Texts that are kept already need
        not be given again. Raises BadRequest where scenes and sources do not fit together, TooLarge for a text above its
        bound, and MemoryFull where the tenant has no room. Where they shall be `numbered`, each new one is the next of its
        session.
        """

    async def answers(self) -> None:
        """Nothing, where the database does."""

    async def search(self, wanted: Wanted) -> Sequence[Hit]:
        """The best first."""

    async def original(self, tenant: str, hash: str, start: int = 0, end: int | None = None) -> str | None:  # noqa: A002
        """The characters from `start` to before `end` of a text, word for word; None where it is not remembered."""

    async def trusts(self, tenant: str, hashes: Sequence[str]) -> Mapping[str, Trust]:
        """How far those of these texts are trusted that are remembered."""

    async def scene(self, tenant: str, id: str) -> Scene | None:  # noqa: A002
        """The scene with this id, as `scenes` gives it; None where it is not remembered."""

    async def scenes(self, tenant: str, session: str) -> Sequence[Scene]:
        """All of a session, as they came; the facts of those that others took the place of say until when they held."""

    async def page(self, tenant: str, session: str, after: int = 0) -> tuple[Sequence[Scene], int]:
        """Some of them, behind the place `after` (0 is the beginning), and the place to go on at; 0 after the last."""

    async def forget(self, tenant: str, session: str | None = None, id: str | None = None) -> int:  # noqa: A002
        """Delete a session's scenes, or the one with this id; gives how many. With them goes all that came with them."""

    async def expire(self, now: float) -> int:
        """Delete what everybody's scenes said they would outlive by then (seconds since 1970); gives how many."""
