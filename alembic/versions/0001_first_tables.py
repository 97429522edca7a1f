"""first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("slo", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("hold", sa.Integer(), nullable=False),
        sa.Column("quiet", sa.Integer(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("annotations", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "slo", "kind", "started_at", name=op.f("alert_pkey")),
        schema="drift",
    )
    op.create_index(
        "alert_open_idx",
        "alert",
        ["stream", "slo", "kind"],
        unique=True,
        schema="drift",
        postgresql_where=sa.text("state IN ('pending', 'firing')"),
    )
    op.create_table(
        "bank",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("numbers", postgresql.BYTEA(), nullable=False),
        sa.PrimaryKeyConstraint("reference", "key", name=op.f("bank_pkey")),
        schema="drift",
    )
    op.create_table(
        "batch",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "key", name=op.f("batch_pkey")),
        schema="drift",
    )
    op.create_index("batch_at_idx", "batch", ["at"], unique=False, schema="drift")
    op.create_table(
        "gap",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "detector", "start", name=op.f("gap_pkey")),
        schema="drift",
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("received", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rejected", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("priorities", postgresql.BYTEA(), nullable=False),
        sa.Column("vectors", postgresql.BYTEA(), nullable=False),
        sa.Column("times", postgresql.BYTEA(), nullable=False),
        sa.Column("ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("inputs", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("encoder_versions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("segments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("inbox_pkey")),
        sa.UniqueConstraint("stream", "start", "batch", name=op.f("inbox_stream_start_batch_key")),
        schema="drift",
    )
    op.create_table(
        "job",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "start", name=op.f("job_pkey")),
        schema="drift",
    )
    op.create_table(
        "measurement",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("p_value", sa.Double(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("band_low", sa.Double(), nullable=True),
        sa.Column("band_high", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("stream", "detector", "start", name=op.f("measurement_pkey")),
        schema="drift",
        postgresql_partition_by='RANGE ("start")',
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", postgresql.BYTEA(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "receiver", name=op.f("outbox_pkey")),
        schema="drift",
    )
    op.create_index(
        "outbox_due_idx", "outbox", ["due_at"], unique=False, schema="drift", postgresql_where=sa.text("state = 'due'")
    )
    op.create_index("outbox_subject_idx", "outbox", ["receiver", "subject", "created_at"], unique=False, schema="drift")
    op.create_table(
        "reference",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("vectors", postgresql.BYTEA(), nullable=False),
        sa.Column("inputs", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("stream", "version", name=op.f("reference_pkey")),
        schema="drift",
    )
    op.create_table(
        "sketch",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sums", postgresql.BYTEA(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "detector", "start", name=op.f("sketch_pkey")),
        schema="drift",
    )
    op.create_table(
        "slot",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("slo", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("remaining", sa.Double(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("burn_long", sa.Double(), nullable=False),
        sa.Column("burn_short", sa.Double(), nullable=False),
        sa.Column("exhausts_in", sa.Interval(), nullable=True),
        sa.PrimaryKeyConstraint("stream", "slo", "start", name=op.f("slot_pkey")),
        schema="drift",
    )
    op.create_index(
        "slot_bad_idx",
        "slot",
        ["stream", "slo", "end"],
        unique=False,
        schema="drift",
        postgresql_where=sa.text("outcome = 'bad'"),
    )
    op.create_table(
        "stream",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("open_from", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("stream_pkey")),
        schema="drift",
    )
    op.create_table(
        "watch",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("slo", sa.Text(), nullable=False),
        sa.Column("good_run", sa.Integer(), nullable=False),
        sa.Column("missing_run", sa.Integer(), nullable=False),
        sa.Column("insufficient_run", sa.Integer(), nullable=False),
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("bad_slots", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "slo", name=op.f("watch_pkey")),
        schema="drift",
    )
    op.create_table(
        "window",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("rejected", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=False),
        sa.Column("vectors", postgresql.BYTEA(), nullable=False),
        sa.Column("ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("inputs", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("encoder_versions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("stream", "start", name=op.f("window_pkey")),
        schema="drift",
        postgresql_partition_by='RANGE ("start")',
    )


def downgrade() -> None:
    op.drop_table("window", schema="drift")
    op.drop_table("watch", schema="drift")
    op.drop_table("stream", schema="drift")
    op.drop_index("slot_bad_idx", table_name="slot", schema="drift", postgresql_where=sa.text("outcome = 'bad'"))
    op.drop_table("slot", schema="drift")
    op.drop_table("sketch", schema="drift")
    op.drop_table("reference", schema="drift")
    op.drop_index("outbox_subject_idx", table_name="outbox", schema="drift")
    op.drop_index("outbox_due_idx", table_name="outbox", schema="drift", postgresql_where=sa.text("state = 'due'"))
    op.drop_table("outbox", schema="drift")
    op.drop_table("measurement", schema="drift")
    op.drop_table("job", schema="drift")
    op.drop_table("inbox", schema="drift")
    op.drop_table("gap", schema="drift")
    op.drop_index("batch_at_idx", table_name="batch", schema="drift")
    op.drop_table("batch", schema="drift")
    op.drop_table("bank", schema="drift")
    op.drop_index(
        "alert_open_idx", table_name="alert", schema="drift", postgresql_where=sa.text("state IN ('pending', 'firing')")
    )
    op.drop_table("alert", schema="drift")
