"""The tables. Migrations are held against this file by `alembic check`."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from drift.store.schema import At, TextArray, metadata, required

# One row per stream and segment. Windows that end at or before `open_from` are closed: rows for them are late. A stream
# of which only the past was replayed has none, and takes no rows.
stream: Final = sa.Table(
    "stream",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    required("name", sa.Text()),
    required("model", sa.Text()),
    required("version", sa.Text()),
    required("dim", sa.Integer()),
    required("segment", sa.Text()),
    required("team", sa.Text()),
    sa.Column("open_from", At),
)

reference: Final = sa.Table(
    "reference",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    required("created_at", At),
    required("source", sa.Text()),
    required("fingerprint", sa.Text()),
    required("dim", sa.Integer()),
    required("vectors", BYTEA()),
    required("inputs", TextArray),
    required("labels", TextArray),
    required("segments", JSONB()),
)

# What a detector drew from a reference, kept because drawing it takes long: statistics of null windows, row by row.
bank: Final = sa.Table(
    "bank",
    metadata,
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    required("columns", sa.Integer()),
    required("numbers", BYTEA()),
)

# Rows that were acknowledged and may still be drawn: one row per batch and window. Deleted once the window is measured.
inbox: Final = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    required("stream", sa.Text()),
    required("start", At),
    required("batch", sa.Text()),
    required("received", JSONB()),
    required("rejected", JSONB()),
    required("priorities", BYTEA()),
    required("vectors", BYTEA()),
    required("times", BYTEA()),
    required("ids", TextArray),
    required("inputs", TextArray),
    required("labels", TextArray),
    required("encoder_versions", TextArray),
    required("segments", JSONB()),
    sa.UniqueConstraint("stream", "start", "batch"),
)

# Batches that were acknowledged, so that one that comes again is known.
batch: Final = sa.Table(
    "batch",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    required("at", At),
    required("digest", sa.Text()),
    required("received", sa.Integer()),
    required("accepted", sa.Integer()),
)
sa.Index("batch_at_idx", batch.c.at)

# What was measured, kept so that a finding can be looked into. Partitioned by month of `start`.
window: Final = sa.Table(
    "window",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    required("end", At),
    required("received", sa.Integer()),
    required("rejected", JSONB()),
    required("rows", sa.Integer()),
    required("dtype", sa.Text()),
    required("vectors", BYTEA()),
    required("ids", TextArray),
    required("inputs", TextArray),
    required("labels", TextArray),
    required("encoder_versions", TextArray),
    postgresql_partition_by='RANGE ("start")',
)

# Partitioned by month of `start`.
measurement: Final = sa.Table(
    "measurement",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("detector", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    required("end", At),
    required("reference", sa.Text()),
    required("value", sa.Double()),
    required("rows", sa.Integer()),
    sa.Column("p_value", sa.Double),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("band_low", sa.Double),
    sa.Column("band_high", sa.Double),
    postgresql_partition_by='RANGE ("start")',
)

# Where the change in a window comes from, for windows that look changed: some kilobytes each, which must not lie in the
# way of those who read many measurements.
attribution: Final = sa.Table(
    "attribution",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("detector", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    required("kept", JSONB()),
)

# Sums of what was measured, which are added up when windows are merged.
sketch: Final = sa.Table(
    "sketch",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("detector", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    required("reference", sa.Text()),
    required("rows", sa.BigInteger()),
    required("sums", BYTEA()),
)

gap: Final = sa.Table(
    "gap",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("detector", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    required("end", At),
    required("reason", sa.Text()),
    required("detail", sa.Text()),
)

# One row per objective and interval, with the budget as it was at its end. `rule` is the rule nearest to firing.
slot: Final = sa.Table(
    "slot",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    required("end", At),
    required("outcome", sa.Text()),
    required("remaining", sa.Double()),
    required("rule", sa.Text()),
    required("burn_long", sa.Double()),
    required("burn_short", sa.Double()),
    sa.Column("exhausts_in", sa.Interval),
)
sa.Index("slot_bad_idx", slot.c.stream, slot.c.slo, slot.c.end, postgresql_where=slot.c.outcome == "bad")

# What an objective remembers between slots; `slots` and `bad_slots` count verdicts since it was first seen.
watch: Final = sa.Table(
    "watch",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    required("good_run", sa.Integer()),
    required("missing_run", sa.Integer()),
    required("insufficient_run", sa.Integer()),
    required("slots", sa.BigInteger()),
    required("bad_slots", sa.BigInteger()),
)

# One row per episode of an alert.
alert: Final = sa.Table(
    "alert",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("started_at", At, primary_key=True),
    required("state", sa.Text()),
    sa.Column("fired_at", At),
    sa.Column("resolved_at", At),
    required("rule", sa.Text()),
    required("hold", sa.Integer()),
    required("quiet", sa.Integer()),
    required("labels", JSONB()),
    required("annotations", JSONB()),
    required("muted", sa.Boolean()),
)
sa.Index(
    "alert_open_idx",
    alert.c.stream,
    alert.c.slo,
    alert.c.kind,
    unique=True,
    postgresql_where=alert.c.state.in_(["pending", "firing"]),
)

# Messages that must go out, one row per receiver, written with the change of state that they tell of.
outbox: Final = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("receiver", sa.Text, primary_key=True),
    required("subject", sa.Text()),
    required("kind", sa.Text()),
    required("body", BYTEA()),
    required("state", sa.Text()),
    required("created_at", At),
    required("due_at", At),
    required("attempts", sa.Integer()),
    sa.Column("sent_at", At),
    sa.Column("status", sa.Integer),
    required("error", sa.Text()),
)
sa.Index("outbox_due_idx", outbox.c.due_at, postgresql_where=outbox.c.state == "due")
sa.Index("outbox_subject_idx", outbox.c.receiver, outbox.c.subject, outbox.c.created_at)

# Windows that must be measured, one row each, measured oldest first.
job: Final = sa.Table(
    "job",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    required("end", At),
    required("due_at", At),
    required("attempts", sa.Integer()),
    required("error", sa.Text()),
)
