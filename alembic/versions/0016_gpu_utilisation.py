"""how busy the GPU was when it last encoded."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("encoder", sa.Column("gpu_utilisation", sa.Double(), nullable=True), schema="drift")


def downgrade() -> None:
    op.drop_column("encoder", "gpu_utilisation", schema="drift")
