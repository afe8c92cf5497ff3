"""Scenes and texts as rows, and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from app.memory.memory import Source
from scenes.scene import DELTA, Fact, Scene, read, write

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ready:
    """A scene that can be kept: its line without its vector, the words it is found by as its database takes them."""

    scene: Scene
    line: bytes
    words: str

    @property
    def bytes(self) -> int:
        return len(self.line) + len(self.scene.vector or b"")

    def numbered(self, number: int) -> "Ready":
        """The same scene under another number."""
        scene = msgspec.structs.replace(self.scene, delta=f"{DELTA}{number}")
        return Ready(scene, line_of(scene), self.words)

    @property
    def hashes(self) -> frozenset[str]:
        return hashes_of(self.scene)

    def row(self) -> dict[str, Any]:
        scene = self.scene
        return {
            "tenant": scene.tenant,
            "id": scene.id,
            "session": scene.session,
            "kind": scene.kind,
            "expires": None if scene.expires is None else seconds(scene.expires),
            "line": self.line,
            "bytes": self.bytes,
        }


def hashes_of(scene: Scene) -> frozenset[str]:
    """The texts that a scene points into."""
    return frozenset(span.source for span in scene.source) | {fact.span.source for fact in scene.facts}


def line_of(scene: Scene) -> bytes:
    """Its line, but for the vector, which is kept beside it. Raises ValueError for half a character."""
    return write(scene if scene.vector is None else msgspec.structs.replace(scene, vector=None, encoder=None))


def scene_of(line: bytes, space: str | None, vector: bytes | None, ended: Sequence[str]) -> Scene:
    """The scene again; its facts held until the first of the moments when others took its place. Raises Malformed."""
    scene = read(line)
    changes: dict[str, Any] = {}
    if space is not None:
        changes |= {"vector": vector, "encoder": space.rpartition("/")[0]}
    if ended:
        until = min(ended, key=seconds)
        changes["facts"] = tuple(_until(fact, until) for fact in scene.facts)
    return msgspec.structs.replace(scene, **changes) if changes else scene


def _until(fact: Fact, moment: str) -> Fact:
    return fact if fact.until is not None else msgspec.structs.replace(fact, until=moment)


def space_of(encoder: str, vector: bytes) -> str:
    """What vectors must share to be compared: their encoder, and their length."""
    return f"{encoder}/{len(vector) // 2}"


def seconds(moment: str) -> float:
    """Since 1970. Raises ValueError for a day that is none."""
    return datetime.fromisoformat(moment).timestamp()


def floats(vectors: Iterable[bytes], dimension: int) -> Floats:
    """Vectors as rows of (n, dimension)."""
    halves = np.frombuffer(b"".join(vectors), np.dtype("<f2"))
    return halves.reshape(-1, dimension).astype(np.float32)


def held(source: Source) -> bytes:
    """A text as bytes; any text, with half characters too."""
    return source.text.encode("utf-8", "surrogatepass")


def told(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def texts_of(sources: Mapping[str, Source]) -> dict[str, str]:
    return {name: source.text for name, source in sources.items()}
