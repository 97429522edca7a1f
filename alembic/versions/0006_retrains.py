"""intents to retrain with what became of them, and what is remembered of receivers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retrain",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("slo", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("receivers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_version", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("body", postgresql.BYTEA(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("retrain_pkey")),
        schema="drift",
    )
    op.create_index(
        "retrain_flight_idx",
        "retrain",
        ["model"],
        unique=True,
        schema="drift",
        postgresql_where=sa.text("state IN ('waiting', 'requested', 'started')"),
    )
    op.create_index("retrain_model_idx", "retrain", ["model", "asked_at"], unique=False, schema="drift")
    op.create_table(
        "endpoint",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("receiver", name=op.f("endpoint_pkey")),
        schema="drift",
    )
    op.add_column("outbox", sa.Column("held", sa.Boolean(), nullable=False, server_default="false"), schema="drift")
    op.alter_column("outbox", "held", server_default=None, schema="drift")


def downgrade() -> None:
    op.drop_column("outbox", "held", schema="drift")
    op.drop_table("endpoint", schema="drift")
    op.drop_table("retrain", schema="drift")
