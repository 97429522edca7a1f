"""Intents to retrain, and what is remembered of the receivers of messages."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from drift.store.tables.schema import At, TextArray, metadata, required

# One row per incident that asked for another model, whatever became of it. `body` is what the receivers are sent.
retrain: Final = sa.Table(
    "retrain",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    required("model", sa.Text()),
    required("version", sa.Text()),
    required("stream", sa.Text()),
    required("slo", sa.Text()),
    required("reference", sa.Text()),
    required("fired_at", At),
    required("asked_at", At),
    required("state", sa.Text()),
    required("receivers", TextArray),
    required("because", sa.Text()),
    required("by", sa.Text()),
    sa.Column("requested_at", At),
    sa.Column("started_at", At),
    sa.Column("ended_at", At),
    required("new_version", sa.Text()),
    required("detail", sa.Text()),
    required("body", BYTEA()),
)
sa.Index(
    "retrain_flight_idx",
    retrain.c.model,
    unique=True,
    postgresql_where=retrain.c.state.in_(["waiting", "requested", "started"]),
)
sa.Index("retrain_model_idx", retrain.c.model, retrain.c.asked_at)

# Receivers of which there is something to remember: one that answered 410 gets nothing more until it is enabled, one
# that asked to be left alone nothing until then.
endpoint: Final = sa.Table(
    "endpoint",
    metadata,
    sa.Column("receiver", sa.Text, primary_key=True),
    sa.Column("disabled_at", At),
    required("why", sa.Text()),
    sa.Column("paused_until", At),
)
