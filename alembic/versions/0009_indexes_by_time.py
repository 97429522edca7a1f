"""indexes for what is read by time alone, over all streams."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = (
    ("gap_end_idx", "gap", "end"),
    ("outbox_created_idx", "outbox", "created_at"),
    ("window_start_idx", "window", "start"),
)


def upgrade() -> None:
    for name, table, column in INDEXES:
        op.create_index(name, table, [column], unique=False, schema="drift")


def downgrade() -> None:
    for name, table, _ in INDEXES:
        op.drop_index(name, table_name=table, schema="drift")
