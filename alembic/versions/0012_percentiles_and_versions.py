"""how far rows are off by percentile, and which versions a stream was declared to have."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("measurement", sa.Column("percentiles", sa.ARRAY(sa.Double()), nullable=True), schema="drift")
    op.create_table(
        "version",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "since", name=op.f("version_pkey")),
        schema="drift",
    )


def downgrade() -> None:
    op.drop_table("version", schema="drift")
    op.drop_column("measurement", "percentiles", schema="drift")
