"""What was put beneath messages."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "pins",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("block", sa.LargeBinary, nullable=False),
        sa.Column("expires", sa.Double, nullable=False, index=True),
    )


def downgrade() -> None:
    op.drop_table("pins")
