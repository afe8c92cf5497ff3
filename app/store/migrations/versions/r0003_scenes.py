"""Scenes, what they were made from, and what they are found by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts in no other
_VECTOR = sa.LargeBinary().with_variant(postgresql.ARRAY(sa.REAL), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("scenes", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "scenes",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("expires", sa.Double, index=True),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant", "id"),
    )
    op.create_index("ix_scenes_tenant_session", "scenes", ["tenant", "session"])
    op.create_table(
        "sources",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("hash", sa.String(32), primary_key=True),
        sa.Column("trust", sa.String(16), nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "scene_sources",
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("hash", sa.String(32), primary_key=True),
    )
    op.create_index("ix_scene_sources_tenant_hash", "scene_sources", ["tenant", "hash"])
    op.create_table(
        "supersessions",
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_index("ix_supersessions_tenant_id", "supersessions", ["tenant", "id"])
    op.create_table(
        "scene_vectors",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("space", sa.Text, nullable=False),
        sa.Column("vector", _VECTOR, nullable=False),
    )
    op.create_index("ix_scene_vectors_tenant_space", "scene_vectors", ["tenant", "space", "number"])
    for statement in _WORDS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "scene_words",
        "scene_vectors",
        "supersessions",
        "scene_sources",
        "sources",
        "scenes",
        "tenants",
    ):
        op.drop_table(table)


_WORDS = {
    # words are told as letters and digits of ASCII (`app.memory.words`), so this tokenizer takes each as it is
    "sqlite": ["CREATE VIRTUAL TABLE scene_words USING fts5(words, tokenize = 'ascii')"],
    "postgresql": [
        "CREATE TABLE scene_words (number bigint PRIMARY KEY, words tsvector NOT NULL)",
        # they are read whole by each word that is looked for: to decompress them would take longer than to read more
        "ALTER TABLE scene_words ALTER COLUMN words SET STORAGE EXTERNAL",
        "CREATE INDEX ix_scene_words ON scene_words USING gin (words)",
    ],
}
