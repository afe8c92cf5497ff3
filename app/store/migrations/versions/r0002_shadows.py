"""What models answered beside others."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _side(name: str) -> list[sa.Column[object]]:
    return [
        sa.Column(f"{name}_upstream", sa.Text, nullable=False),
        sa.Column(f"{name}_model", sa.Text, nullable=False),
        sa.Column(f"{name}_outcome", sa.Text, nullable=False),
        sa.Column(f"{name}_first_seconds", sa.Double),
        sa.Column(f"{name}_seconds", sa.Double),
        sa.Column(f"{name}_input_tokens", sa.BigInteger, nullable=False),
        sa.Column(f"{name}_output_tokens", sa.BigInteger, nullable=False),
        sa.Column(f"{name}_nano_usd", sa.BigInteger),
        sa.Column(f"{name}_finish", sa.Text),
        sa.Column(f"{name}_characters", sa.BigInteger, nullable=False),
        sa.Column(f"{name}_text", sa.Text),
    ]


def upgrade() -> None:
    op.create_table(
        "shadows",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("at", sa.Double, nullable=False, index=True),
        sa.Column("alias", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        *_side("own"),
        *_side("shadow"),
        sa.Column("similarity", sa.Double),
        sa.Column("same_json", sa.Boolean),
        sa.Column("same_calls", sa.Boolean),
    )


def downgrade() -> None:
    op.drop_table("shadows")
