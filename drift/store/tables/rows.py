"""What streams are, what they are held against, and rows on their way to a window."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from drift.store.tables.schema import At, TextArray, metadata, required

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

# One row for each change of the version that a stream serves.
served: Final = sa.Table(
    "served",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("since", At, primary_key=True),
    required("model", sa.Text()),
    required("version", sa.Text()),
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
    required("made_by", sa.Text()),
    required("copies", sa.Integer()),
    required("encoder", JSONB()),
)

# Which reference each stream is held against: `pinned`, else `version`, which the configuration gave when it said
# `state`, or which was made by hand since.
choice: Final = sa.Table(
    "choice",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    required("version", sa.Text()),
    required("state", sa.Text()),
    sa.Column("pinned", sa.Text),
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
    required("segments", JSONB()),
    postgresql_partition_by='RANGE ("start")',
)
sa.Index("window_start_idx", window.c.start)

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
