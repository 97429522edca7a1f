"""who looks after an alert."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alert", sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True), schema="drift")
    op.add_column("alert", sa.Column("acknowledged_by", sa.Text(), nullable=True), schema="drift")
    op.add_column("alert", sa.Column("acknowledged_note", sa.Text(), nullable=True), schema="drift")


def downgrade() -> None:
    for column in ("acknowledged_note", "acknowledged_by", "acknowledged_at"):
        op.drop_column("alert", column, schema="drift")
