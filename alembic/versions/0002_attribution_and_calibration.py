"""what statistics say beyond their numbers: where a change comes from, and whether they keep their level."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attribution",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("stream", "detector", "start", name=op.f("attribution_pkey")),
        schema="drift",
    )
    segments = sa.Column("segments", postgresql.JSONB(astext_type=sa.Text()), nullable=False, server_default="{}")
    op.add_column("reference", segments, schema="drift")
    op.alter_column("reference", "segments", server_default=None, schema="drift")
    op.add_column("watch", sa.Column("alpha", sa.Double(), nullable=False, server_default="0"), schema="drift")
    op.add_column(
        "watch", sa.Column("calibrated", sa.Boolean(), nullable=False, server_default="false"), schema="drift"
    )
    for column in ("alpha", "calibrated"):
        op.alter_column("watch", column, server_default=None, schema="drift")
    op.add_column("alert", sa.Column("looked_from", sa.DateTime(timezone=True), nullable=True), schema="drift")
    op.add_column("slot", sa.Column("p_value", sa.Double(), nullable=True), schema="drift")
    op.add_column("slot", sa.Column("past", sa.Integer(), nullable=True), schema="drift")
    op.add_column("slot", sa.Column("hours", sa.Text(), nullable=True), schema="drift")
    op.create_index(
        "slot_verdict_idx",
        "slot",
        ["stream", "slo", "start"],
        unique=False,
        schema="drift",
        postgresql_where=sa.text("outcome IN ('good', 'bad')"),
        postgresql_include=["outcome", "p_value"],
    )
    bad = {"unique": False, "schema": "drift", "postgresql_where": sa.text("outcome = 'bad'")}
    op.drop_index("slot_bad_idx", table_name="slot", schema="drift")
    op.create_index("slot_bad_idx", "slot", ["stream", "slo", "end"], postgresql_include=["start"], **bad)


def downgrade() -> None:
    bad = {"unique": False, "schema": "drift", "postgresql_where": sa.text("outcome = 'bad'")}
    op.drop_index("slot_bad_idx", table_name="slot", schema="drift")
    op.create_index("slot_bad_idx", "slot", ["stream", "slo", "end"], **bad)
    op.drop_index("slot_verdict_idx", table_name="slot", schema="drift")
    for column in ("hours", "past", "p_value"):
        op.drop_column("slot", column, schema="drift")
    op.drop_column("alert", "looked_from", schema="drift")
    op.drop_column("watch", "calibrated", schema="drift")
    op.drop_column("watch", "alpha", schema="drift")
    op.drop_column("reference", "segments", schema="drift")
    op.drop_table("attribution", schema="drift")
