"""What was planned."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE

from drift.store.tables.schema import At, metadata, required

# One row per maintenance window, kept with who made and who cancelled it. `stream` is "" where all are covered, `model`
# where it does not matter. `times` are all the times that it is on, of a rule's too, as they were planned.
maintenance: Final = sa.Table(
    "maintenance",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    required("stream", sa.Text()),
    required("model", sa.Text()),
    required("times", TSTZMULTIRANGE()),
    required("owner", sa.Text()),
    required("reason", sa.Text()),
    required("rrule", sa.Text()),
    required("timezone", sa.Text()),
    required("created_at", At),
    required("created_by", sa.Text()),
    sa.Column("cancelled_at", At),
    required("cancelled_by", sa.Text()),
)
