"""why windows are as they are, and the segments of their rows, from which that is told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "diagnosis",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("slo", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("stream", "start", "end", name=op.f("diagnosis_pkey")),
        schema="drift",
    )
    op.create_index(
        "diagnosis_asked_idx",
        "diagnosis",
        ["asked_at"],
        unique=False,
        schema="drift",
        postgresql_where=sa.text("made_at IS NULL"),
    )
    segments = sa.Column("segments", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default="{}")
    op.add_column("window", segments, schema="drift")
    op.alter_column("window", "segments", server_default=None, schema="drift")


def downgrade() -> None:
    op.drop_column("window", "segments", schema="drift")
    op.drop_table("diagnosis", schema="drift")
