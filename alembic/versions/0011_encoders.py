"""what encoding takes in each process."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "encoder",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("load_seconds", sa.Double(), nullable=False),
        sa.Column("inputs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.Column("gpu_memory", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("process", "name", name=op.f("encoder_pkey")),
        schema="drift",
    )


def downgrade() -> None:
    op.drop_table("encoder", schema="drift")
