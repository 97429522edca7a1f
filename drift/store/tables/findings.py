"""What detectors make of windows."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from drift.store.tables.schema import At, metadata, required

# Partitioned by month of `start`. `percentiles` are of its rows, where the detector has a number for each of them.
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
    sa.Column("percentiles", sa.ARRAY(sa.Double)),
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
sa.Index("gap_end_idx", gap.c.end)

# Why a stretch of a stream is as it is. Asked for in the transaction of the alert that wants to know, made later: until
# then `made_at` and `found` are null. `slo` is the objective that asked, "" for a person.
diagnosis: Final = sa.Table(
    "diagnosis",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("start", At, primary_key=True),
    sa.Column("end", At, primary_key=True),
    required("slo", sa.Text()),
    required("asked_at", At),
    sa.Column("made_at", At),
    sa.Column("found", JSONB()),
)
sa.Index("diagnosis_asked_idx", diagnosis.c.asked_at, postgresql_where=diagnosis.c.made_at.is_(None))
