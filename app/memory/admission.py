"""What may be remembered: scenes and texts are checked before the database hears of them, and made ready for it. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np

from app.errors import BadRequest, TooLarge
from app.memory.memory import Bounds, Source
from app.memory.rows import Ready, floats, hashes_of, held, line_of, seconds, texts_of
from scenes.former import text_of
from scenes.scene import Scene, Span, Trust, hash_of
from scenes.words import counted

TRUST: Sequence[Trust] = ("tool", "user", "assistant", "system")
"""The least trusted first."""
LONGEST_NAME = 256
MOST_DIMENSIONS = 16_000
"""Of a vector, as pgvector takes them."""
UNIT = (0.98, 1.02)
"""How long a vector of length 1 may be after it was rounded."""

_NAME = re.compile(r"[^\x00\ud800-\udfff]+")

Words = Callable[[str, Mapping[str, int]], str]
"""A tenant's words, with how often each is there, as its database takes them."""


def named(**names: str | None) -> None:
    """Raises BadRequest for a tenant or session that no database can tell from others."""
    for kind, name in names.items():
        if name is not None and (len(name) > LONGEST_NAME or _NAME.fullmatch(name) is None):
            raise BadRequest(
                f"A {kind} has 1 to {LONGEST_NAME} characters, none of them a zero or half of one."
            )


def tenant_of(scenes: Sequence[Scene]) -> str:
    """Whose these are. Raises BadRequest where they are not somebody's, and only theirs."""
    tenants = {scene.tenant for scene in scenes}
    if len(tenants) != 1:
        raise BadRequest(
            "Scenes are remembered for one tenant at a time, and texts with the scenes made from them."
        )
    for scene in scenes:
        named(tenant=scene.tenant, session=scene.session)
    return tenants.pop()


def given(sources: Sequence[Source], scenes: Sequence[Scene], bounds: Bounds) -> Mapping[str, Source]:
    """The texts by their hashes. Raises BadRequest, and TooLarge for one above its bound."""
    for source in sources:
        if len(source.text) > bounds.source_bytes or len(held(source)) > bounds.source_bytes:
            raise TooLarge(f"A text that is remembered has at most {bounds.source_bytes} bytes.")
        if hash_of(source.text) != source.hash:
            raise BadRequest("The hash of a text is not its own.")
    found = {
        source.hash: source for source in sorted(sources, key=trust_of)
    }  # who else said the same takes nothing away
    if found.keys() - frozenset(chain.from_iterable(map(hashes_of, scenes))):
        raise BadRequest("A text was given that no scene was made from.")
    return found


def ready(
    scenes: Sequence[Scene], sources: Mapping[str, Source], words: Words, most_bytes: int
) -> Sequence[Ready]:
    """Each scene once. Raises BadRequest where one does not fit to its sources, and TooLarge."""
    texts = texts_of(sources)
    made = []
    for scene in {scene.id: scene for scene in scenes}.values():
        _fits(scene, sources)
        line = _line(scene)
        if len(line) > most_bytes:
            raise TooLarge(f"A scene that is remembered has at most {most_bytes} bytes.")
        said = (
            scene.agent,
            scene.context,
            scene.tension,
            scene.gist,
            scene.hyperlexeme,
            text_of(scene, texts),
        )
        counts = counted("\n".join(filter(None, said)))
        made.append(Ready(scene, line, words(scene.tenant, counts)))
    return made


def _fits(scene: Scene, sources: Mapping[str, Source]) -> None:
    for span in (*scene.source, *(fact.span for fact in scene.facts)):
        _stands(span, sources)
    trusted = min((trust_of(sources[span.source]) for span in scene.source), default=len(TRUST))
    if TRUST.index(scene.trust) > trusted:
        raise BadRequest("A scene is trusted more than what it was made from.")
    try:
        for moment in filter(None, (scene.created, scene.expires)):
            seconds(moment)
    except ValueError:
        raise BadRequest("A scene was made, or expires, on a day that is none.") from None
    _measured(scene)


def _stands(span: Span, sources: Mapping[str, Source]) -> None:
    source = sources.get(span.source)
    if source is None:
        raise BadRequest("A scene was made from a text that is neither given nor remembered.")
    if not span.start <= span.end <= len(source.text):
        raise BadRequest("A scene points to where its text has nothing.")


def _measured(scene: Scene) -> None:
    """Its vector is one of an encoder, and of length 1."""
    if scene.vector is None:
        return
    if not scene.encoder or len(scene.vector) % 2 or not 2 <= len(scene.vector) <= 2 * MOST_DIMENSIONS:
        raise BadRequest("A vector has an encoder, and up to 16,000 numbers of 16 bits.")
    named(encoder=scene.encoder)
    length = float(np.linalg.norm(floats([scene.vector], len(scene.vector) // 2)))
    if not UNIT[0] <= length <= UNIT[1]:
        raise BadRequest("A vector is not of length 1.")


def _line(scene: Scene) -> bytes:
    try:
        return line_of(scene)
    except ValueError:
        raise BadRequest("A scene holds half a character.") from None


def trust_of(source: Source) -> int:
    """How far it is trusted, from 0."""
    return TRUST.index(source.trust)
