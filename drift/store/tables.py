"""The tables, in a schema of their own. Migrations are held against this file by `alembic check`."""

from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

SCHEMA: Final = "drift"
metadata: Final = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    },
)
T = TypeVar("T")
_At = sa.DateTime(timezone=True)
_Texts = ARRAY(sa.Text)


def _required(name: str, kind: sa.types.TypeEngine[T]) -> sa.Column[T]:
    return sa.Column(name, kind, nullable=False)


# One row per stream and segment. Windows that end at or before `open_from` are closed: rows for them are late. A stream
# of which only the past was replayed has none, and takes no rows.
stream: Final = sa.Table(
    "stream",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    _required("name", sa.Text()),
    _required("model", sa.Text()),
    _required("version", sa.Text()),
    _required("dim", sa.Integer()),
    _required("segment", sa.Text()),
    _required("team", sa.Text()),
    sa.Column("open_from", _At),
)

reference: Final = sa.Table(
    "reference",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    _required("created_at", _At),
    _required("source", sa.Text()),
    _required("fingerprint", sa.Text()),
    _required("dim", sa.Integer()),
    _required("vectors", BYTEA()),
    _required("inputs", _Texts),
    _required("labels", _Texts),
)

# What a detector drew from a reference, kept because drawing it takes long: statistics of null windows, row by row.
bank: Final = sa.Table(
    "bank",
    metadata,
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _required("columns", sa.Integer()),
    _required("numbers", BYTEA()),
)

# Rows that were acknowledged and may still be drawn: one row per batch and window. Deleted once the window is measured.
inbox: Final = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    _required("stream", sa.Text()),
    _required("start", _At),
    _required("batch", sa.Text()),
    _required("received", JSONB()),
    _required("rejected", JSONB()),
    _required("priorities", BYTEA()),
    _required("vectors", BYTEA()),
    _required("times", BYTEA()),
    _required("ids", _Texts),
    _required("inputs", _Texts),
    _required("labels", _Texts),
    _required("encoder_versions", _Texts),
    _required("segments", JSONB()),
    sa.UniqueConstraint("stream", "start", "batch"),
)

# Batches that were acknowledged, so that one that comes again is known.
batch: Final = sa.Table(
    "batch",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _required("at", _At),
    _required("digest", sa.Text()),
    _required("received", sa.Integer()),
    _required("accepted", sa.Integer()),
)
sa.Index("batch_at_idx", batch.c.at)

# What was measured, kept so that a finding can be looked into. Partitioned by month of `start`.
window: Final = sa.Table(
    "window",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("start", _At, primary_key=True),
    _required("end", _At),
    _required("received", sa.Integer()),
    _required("rejected", JSONB()),
    _required("rows", sa.Integer()),
    _required("dtype", sa.Text()),
    _required("vectors", BYTEA()),
    _required("ids", _Texts),
    _required("inputs", _Texts),
    _required("labels", _Texts),
    _required("encoder_versions", _Texts),
    postgresql_partition_by='RANGE ("start")',
)

# Partitioned by month of `start`.
measurement: Final = sa.Table(
    "measurement",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("detector", sa.Text, primary_key=True),
    sa.Column("start", _At, primary_key=True),
    _required("end", _At),
    _required("reference", sa.Text()),
    _required("value", sa.Double()),
    _required("rows", sa.Integer()),
    sa.Column("p_value", sa.Double),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("band_low", sa.Double),
    sa.Column("band_high", sa.Double),
    postgresql_partition_by='RANGE ("start")',
)

# Sums of what was measured, which are added up when windows are merged.
sketch: Final = sa.Table(
    "sketch",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("detector", sa.Text, primary_key=True),
    sa.Column("start", _At, primary_key=True),
    _required("reference", sa.Text()),
    _required("rows", sa.BigInteger()),
    _required("sums", BYTEA()),
)

gap: Final = sa.Table(
    "gap",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("detector", sa.Text, primary_key=True),
    sa.Column("start", _At, primary_key=True),
    _required("end", _At),
    _required("reason", sa.Text()),
    _required("detail", sa.Text()),
)

# One row per objective and interval, with the budget as it was at its end. `rule` is the rule nearest to firing.
slot: Final = sa.Table(
    "slot",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    sa.Column("start", _At, primary_key=True),
    _required("end", _At),
    _required("outcome", sa.Text()),
    _required("remaining", sa.Double()),
    _required("rule", sa.Text()),
    _required("burn_long", sa.Double()),
    _required("burn_short", sa.Double()),
    sa.Column("exhausts_in", sa.Interval),
)
sa.Index("slot_bad_idx", slot.c.stream, slot.c.slo, slot.c.end, postgresql_where=slot.c.outcome == "bad")

# What an objective remembers between slots; `slots` and `bad_slots` count verdicts since it was first seen.
watch: Final = sa.Table(
    "watch",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    _required("good_run", sa.Integer()),
    _required("missing_run", sa.Integer()),
    _required("insufficient_run", sa.Integer()),
    _required("slots", sa.BigInteger()),
    _required("bad_slots", sa.BigInteger()),
)

# One row per episode of an alert.
alert: Final = sa.Table(
    "alert",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("started_at", _At, primary_key=True),
    _required("state", sa.Text()),
    sa.Column("fired_at", _At),
    sa.Column("resolved_at", _At),
    _required("rule", sa.Text()),
    _required("hold", sa.Integer()),
    _required("quiet", sa.Integer()),
    _required("labels", JSONB()),
    _required("annotations", JSONB()),
    _required("muted", sa.Boolean()),
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
    _required("subject", sa.Text()),
    _required("kind", sa.Text()),
    _required("body", BYTEA()),
    _required("state", sa.Text()),
    _required("created_at", _At),
    _required("due_at", _At),
    _required("attempts", sa.Integer()),
    sa.Column("sent_at", _At),
    sa.Column("status", sa.Integer),
    _required("error", sa.Text()),
)
sa.Index("outbox_due_idx", outbox.c.due_at, postgresql_where=outbox.c.state == "due")
sa.Index("outbox_subject_idx", outbox.c.receiver, outbox.c.subject, outbox.c.created_at)

# Windows that must be measured, one row each, measured oldest first.
job: Final = sa.Table(
    "job",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("start", _At, primary_key=True),
    _required("end", _At),
    _required("due_at", _At),
    _required("attempts", sa.Integer()),
    _required("error", sa.Text()),
)
