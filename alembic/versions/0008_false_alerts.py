"""alerts that somebody marked as false."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alert", sa.Column("false_at", sa.DateTime(timezone=True), nullable=True), schema="drift")
    op.add_column("alert", sa.Column("false_by", sa.Text(), nullable=True), schema="drift")


def downgrade() -> None:
    for column in ("false_by", "false_at"):
        op.drop_column("alert", column, schema="drift")
