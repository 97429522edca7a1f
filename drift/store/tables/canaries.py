"""Versions of a model that are tried beside another."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from drift.store.tables.schema import At, TextArray, metadata, required

# One row for each trial. `tallies` are [name, lost, same, gained, low, high].
canary: Final = sa.Table(
    "canary",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    required("model", sa.Text()),
    required("baseline", sa.Text()),
    required("candidate", sa.Text()),
    required("baseline_version", sa.Text()),
    required("candidate_version", sa.Text()),
    required("signals", TextArray),
    required("alpha", sa.Double()),
    required("tolerance", sa.Double()),
    required("margin", sa.Double()),
    required("tallies", JSONB()),
    required("started_at", At),
    required("counted_until", At),
    required("state", sa.Text()),
    required("windows", sa.Integer()),
    required("pairs", sa.BigInteger()),
    sa.Column("decided_at", At),
    required("detail", sa.Text()),
)

# What gates have decided: those that follow on a retraining have its id. `report` is JSON as it was printed.
gate: Final = sa.Table(
    "gate",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    required("model", sa.Text()),
    required("stream", sa.Text()),
    required("version", sa.Text()),
    required("baseline", sa.Text()),
    required("candidate", sa.Text()),
    required("verdict", sa.Text()),
    required("reasons", TextArray),
    required("rows", sa.Integer()),
    required("report", sa.Text()),
    required("decided_at", At),
)
