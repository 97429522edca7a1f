"""what the statistics say beyond their numbers: where a change comes from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attribution",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("stream", "detector", "start", name=op.f("attribution_pkey")),
        schema="drift",
    )
    segments = sa.Column("segments", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default="{}")
    op.add_column("reference", segments, schema="drift")
    op.alter_column("reference", "segments", server_default=None, schema="drift")


def downgrade() -> None:
    op.drop_column("reference", "segments", schema="drift")
    op.drop_table("attribution", schema="drift")
