"""The tables as the code sees them; the migrations make them."""

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql

METADATA = MetaData()

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("models", Text),
    Column("allowance", Text, nullable=False),
    Column("priority", String(16), nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("previous_digest", String(64)),
    Column("previous_until", Double),
    Column("metadata", Text, nullable=False),
)

VERSIONS = Table(
    "versions",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Numbers that rise with every change of what they are named after."""

SECRETS = Table(
    "secrets",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Random bytes that all workers and hosts share."""

USAGE = Table(
    "usage",
    METADATA,
    Column("hour", BigInteger, primary_key=True),
    Column("caller", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("upstream_model", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("estimated_tokens", BigInteger, nullable=False),
    Column("unpriced_tokens", BigInteger, nullable=False),
    Column("nano_usd", BigInteger, nullable=False),
)
"""Sums for each hour (its begin, in seconds since 1970) and each combination of names."""

BATCHES = Table(
    "batches",
    METADATA,
    Column("writer", String(64), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("written_at", Double, nullable=False, index=True),
)
"""What was added to the usage already, so that nothing is added twice."""


def _side(name: str) -> list[Column[Any]]:
    """The columns of one of two answers."""
    return [
        Column(f"{name}_upstream", Text, nullable=False),
        Column(f"{name}_model", Text, nullable=False),
        Column(f"{name}_outcome", Text, nullable=False),
        Column(f"{name}_first_seconds", Double),
        Column(f"{name}_seconds", Double),
        Column(f"{name}_input_tokens", BigInteger, nullable=False),
        Column(f"{name}_output_tokens", BigInteger, nullable=False),
        Column(f"{name}_nano_usd", BigInteger),
        Column(f"{name}_finish", Text),
        Column(f"{name}_characters", BigInteger, nullable=False),
        Column(f"{name}_text", Text),
    ]


SHADOWS = Table(
    "shadows",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("alias", Text, nullable=False),
    Column("operation", Text, nullable=False),
    *_side("own"),
    *_side("shadow"),
    Column("similarity", Double),
    Column("same_json", Boolean),
    Column("same_calls", Boolean),
)
"""A client's answer beside a shadow's to the same request."""

TENANTS = Table(
    "tenants",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("scenes", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
"""Whose scenes there are, and how many. `version` rises whenever one that was there is not as it was. Whoever changes
what a tenant has, changes its row first, so that they wait for each other.
"""

SCENES = Table(
    "scenes",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("id", String(32), nullable=False),
    Column("session", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("expires", Double, index=True),
    Column("line", LargeBinary, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    UniqueConstraint("tenant", "id"),
    Index("ix_scenes_tenant_session", "tenant", "session"),
)
"""Scenes as their lines, without vectors; `bytes` with them."""

SOURCES = Table(
    "sources",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("hash", String(32), primary_key=True),
    Column("trust", String(16), nullable=False),
    Column("text", LargeBinary, nullable=False),
)
"""The texts that scenes were made from, as bytes: no database holds every text as one."""

SCENE_SOURCES = Table(
    "scene_sources",
    METADATA,
    Column("number", BigInteger, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("hash", String(32), primary_key=True),
    Index("ix_scene_sources_tenant_hash", "tenant", "hash"),
)
"""Which scene was made from which text."""

SUPERSESSIONS = Table(
    "supersessions",
    METADATA,
    Column("number", BigInteger, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("id", String(32), primary_key=True),
    Column("at", Text, nullable=False),
    Index("ix_supersessions_tenant_id", "tenant", "id"),
)
"""Which scene took the place of another one, by that one's id, and when; it need not be there yet."""

SCENE_VECTORS = Table(
    "scene_vectors",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("vector", LargeBinary().with_variant(postgresql.ARRAY(REAL), "postgresql"), nullable=False),
    Index("ix_scene_vectors_tenant_space", "tenant", "space", "number"),
)
"""SQLite: float16, little-endian. PostgreSQL: real[], which pgvector takes as its own. Only those of one `space`, which is
encoder and length, are compared.
"""

PINS = Table(
    "pins",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("block", LargeBinary, nullable=False),
    Column("expires", Double, nullable=False, index=True),
)
"""What was put beneath a message of a conversation, by a hash of all up to it."""

FLEETS = Table(
    "fleets",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
"""Which adapters a fleet shall have, as one document; the revision rises with every change."""

WORDS_TABLE = "scene_words"
"""What scenes are found by; made by the migrations alone, since no two databases have it alike."""
