"""The tables, in a schema of their own. Migrations are held against them by `alembic check`."""

from drift.store.tables.canaries import canary, gate
from drift.store.tables.findings import attribution, diagnosis, gap, measurement, sketch
from drift.store.tables.maintenance import maintenance
from drift.store.tables.objectives import alert, outbox, slot, watch
from drift.store.tables.pictures import picture, place
from drift.store.tables.processes import encoder, encoding
from drift.store.tables.retrains import endpoint, retrain
from drift.store.tables.rows import bank, batch, choice, inbox, job, reference, stream, version, window
from drift.store.tables.schema import SCHEMA, metadata

__all__ = [
    "SCHEMA",
    "alert",
    "attribution",
    "bank",
    "batch",
    "canary",
    "choice",
    "diagnosis",
    "encoder",
    "encoding",
    "endpoint",
    "gap",
    "gate",
    "inbox",
    "job",
    "maintenance",
    "measurement",
    "metadata",
    "outbox",
    "picture",
    "place",
    "reference",
    "retrain",
    "sketch",
    "slot",
    "stream",
    "version",
    "watch",
    "window",
]
