"""where references come from, and which of them each stream is held against."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    added = (
        sa.Column("made_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("copies", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("encoder", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default="{}"),
    )
    for column in added:
        op.add_column("reference", column, schema="drift")
        op.alter_column("reference", column.name, server_default=None, schema="drift")
    op.create_table(
        "choice",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("stream", name=op.f("choice_pkey")),
        schema="drift",
    )


def downgrade() -> None:
    op.drop_table("choice", schema="drift")
    for column in ("encoder", "copies", "made_by"):
        op.drop_column("reference", column, schema="drift")
