"""A scene: a finished unit of meaning, as it is stored, searched, shown and trained on (`hb.scene/1`, a line of JSON each).

text -> scene -> hyperlexeme (its word) -> delta (its number, for people) -> code (a few tokens) -> hypertoken (one)
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec

from scenes.facts import FactKind

SCHEMA = "hb.scene/1"
DELTA = "Δ"
"""What a scene's number for people begins with."""

Register = Literal["logic", "emotion", "archetype", "function"]
"""What a scene speaks in: reasons, feelings, patterns, or what something is for."""
Kind = Literal["dialogue", "table", "log", "listing", "document", "code", "decision", "error"]
Trust = Literal["system", "user", "assistant", "tool"]
"""Who said it; a scene is never trusted more than that."""
Archetype = Literal[
    "request",
    "answer",
    "refusal",
    "failure",
    "retry",
    "decision",
    "handover",
    "threshold",
    "report",
    "change",
]
Relation = Literal["answers", "causes", "repeats", "supersedes", "mentions"]

Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
Weight = Annotated[float, msgspec.Meta(ge=0, le=1)]
Moment = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$")]
"""In UTC, ISO 8601."""
Place = Annotated[int, msgspec.Meta(ge=0)]


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The characters from `start` to before `end` of the text with this hash."""

    source: Hash
    start: Place
    end: Place


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something said, word for word: `text` is what stands at `span`. `until` is when a later one took its place."""

    kind: FactKind
    text: str
    span: Span
    must_keep: bool = False
    until: Moment | None = None


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How this scene stands to another one, by that one's id."""

    relation: Relation
    to: Hash


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A scene. `agent` acts, in the `context`; `tension` is what is open there; `gist` says it in one line.

    `id` is the hash of its source and of whose it is. `registers` weigh what it speaks in. `source` are its spans in
    the original text, which is kept beside it. `vector` is its unit vector by `encoder`, as float16, little-endian.
    """

    schema: Literal["hb.scene/1"] = msgspec.field(default="hb.scene/1")
    id: Hash
    tenant: str
    session: str
    kind: Kind
    trust: Trust
    gist: str
    source: tuple[Span, ...]
    created: Moment
    parser: str
    agent: str | None = None
    tension: str | None = None
    context: str | None = None
    archetype: Archetype | None = None
    registers: Mapping[Register, Weight] = {}
    hyperlexeme: str = ""
    delta: str = ""
    code: str | None = None
    hypertoken: str | None = None
    facts: tuple[Fact, ...] = ()
    links: tuple[Link, ...] = ()
    encoder: str | None = None
    vector: bytes | None = None
    tokens_raw: Place = 0
    tokens_encoded: Place = 0
    expires: Moment | None = None


class Malformed(ValueError):
    """A line is no scene; the message says what is wrong with it."""


_scene = msgspec.json.Decoder(Scene)
_encoder = msgspec.json.Encoder()


def read(line: bytes) -> Scene:
    """A scene from its line. Raises Malformed."""
    try:
        return _scene.decode(line)
    except msgspec.DecodeError as error:
        raise Malformed(str(error)) from None


def write(scene: Scene) -> bytes:
    """The scene as one line, without its end. `schema` stands in it, whatever the defaults."""
    body = _encoder.encode(scene)
    return b'{"schema":"%s",%s' % (SCHEMA.encode(), body[1:])


def json_schema() -> dict[str, Any]:
    """For whoever writes scenes elsewhere."""
    schema = msgspec.json.schema(Scene)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **schema}


def hash_of(*parts: str) -> str:
    """The 32 hex digits that name a text, or a scene of somebody's."""
    digest = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.hexdigest()
