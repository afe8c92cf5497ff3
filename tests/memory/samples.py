"""Scenes to remember: a text each, made into one by hand, so that each test says what it needs of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.memory.memory import Hit, Source
from scenes.facts import facts
from scenes.scene import Fact, Link, Scene, Span, hash_of

CREATED = "2027-01-15T08:00:00Z"
ENCODER = "vectors@1"


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def source(text: str, trust: Any = "user") -> Source:
    return Source(hash_of(text), text, trust)


def scene(text: str, tenant: str = "a", session: str = "s", **changes: Any) -> Scene:
    """A scene of the whole text."""
    name = hash_of(text)
    members: dict[str, Any] = {
        "id": hash_of(tenant, session, text),
        "tenant": tenant,
        "session": session,
        "kind": "dialogue",
        "trust": "user",
        "gist": text[:40].strip(),
        "source": (Span(name, 0, len(text)),),
        "created": CREATED,
        "parser": "test@1",
        "facts": tuple(Fact(each.kind, each.text, Span(name, each.start, each.end)) for each in facts(text)),
    }
    return Scene(**members | changes)


def superseding(text: str, other: Scene, **changes: Any) -> Scene:
    return scene(text, links=(Link("supersedes", other.id),), **changes)


def vector(*numbers: float) -> bytes:
    """The unit vector in this direction, as scenes have it."""
    array = np.array(numbers, np.float64)
    return (array / np.linalg.norm(array)).astype("<f2").tobytes()


def texts(hits: Sequence[Hit]) -> list[str]:
    """What was found, by its gist."""
    return [hit.scene.gist for hit in hits]
