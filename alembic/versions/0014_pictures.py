"""pictures of references in the plane, and where the rows of windows lie in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "picture",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("places", postgresql.BYTEA(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "reference", name=op.f("picture_pkey")),
        schema="drift",
    )
    op.create_table(
        "place",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("places", postgresql.BYTEA(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "start", "reference", name=op.f("place_pkey")),
        schema="drift",
    )


def downgrade() -> None:
    op.drop_table("place", schema="drift")
    op.drop_table("picture", schema="drift")
