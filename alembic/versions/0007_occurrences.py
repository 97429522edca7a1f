"""events that objectives count: rows and answers, good and bad."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("good", "total"):
        op.add_column("slot", sa.Column(column, sa.Integer(), nullable=True), schema="drift")
    op.create_index(
        "slot_events_idx",
        "slot",
        ["stream", "slo", "end"],
        unique=False,
        schema="drift",
        postgresql_where=sa.text("total IS NOT NULL"),
        postgresql_include=["start", "outcome", "good", "total"],
    )
    for column in ("events", "bad_events"):
        op.add_column("watch", sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"), schema="drift")
        op.alter_column("watch", column, server_default=None, schema="drift")


def downgrade() -> None:
    for column in ("bad_events", "events"):
        op.drop_column("watch", column, schema="drift")
    op.drop_index("slot_events_idx", table_name="slot", schema="drift")
    for column in ("total", "good"):
        op.drop_column("slot", column, schema="drift")
