"""What becomes of objectives: slots, what is remembered between them, alerts, and messages that tell of them."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from drift.store.tables.schema import At, metadata, required

# One row per objective and interval, with the budget as it was at its end. `rule` is the rule nearest to firing.
# Where the objective is calibrated on windows `past` of them were found, of `hours` alike, and `p_value` was judged; it
# is null where they were too few, so that the test's own was. Where it counts events, `good` of `total` were good.
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
    sa.Column("p_value", sa.Double),
    sa.Column("past", sa.Integer),
    sa.Column("hours", sa.Text),
    sa.Column("good", sa.Integer),
    sa.Column("total", sa.Integer),
)
sa.Index(
    "slot_bad_idx",
    slot.c.stream,
    slot.c.slo,
    slot.c.end,
    postgresql_where=slot.c.outcome == "bad",
    postgresql_include=["start"],
)
sa.Index(
    "slot_verdict_idx",
    slot.c.stream,
    slot.c.slo,
    slot.c.start,
    postgresql_where=slot.c.outcome.in_(["good", "bad"]),
    postgresql_include=["outcome", "p_value"],
)
sa.Index(
    "slot_events_idx",
    slot.c.stream,
    slot.c.slo,
    slot.c.end,
    postgresql_where=slot.c.total.is_not(None),
    postgresql_include=["start", "outcome", "good", "total"],
)

# What an objective remembers between slots; `slots` and `bad_slots` count verdicts since it was first seen, `events`
# and `bad_events` what was counted in them. Of healthy slots `alpha` may be bad, 0 where nothing is promised of them;
# where it is `calibrated` on windows, of those that were judged so.
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
    required("events", sa.BigInteger()),
    required("bad_events", sa.BigInteger()),
    required("alpha", sa.Double()),
    required("calibrated", sa.Boolean()),
)

# One row per episode of an alert. What its rule looked back on as it fired begins at `looked_from`. `digest` is the
# message that told its owner of it, null before. Who says that it was false is `false_by`, who looks after it
# `acknowledged_by`.
alert: Final = sa.Table(
    "alert",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("started_at", At, primary_key=True),
    required("state", sa.Text()),
    sa.Column("fired_at", At),
    sa.Column("looked_from", At),
    sa.Column("resolved_at", At),
    required("rule", sa.Text()),
    required("hold", sa.Integer()),
    required("quiet", sa.Integer()),
    required("labels", JSONB()),
    required("annotations", JSONB()),
    required("muted", sa.Boolean()),
    sa.Column("digest", sa.Text),
    sa.Column("false_at", At),
    sa.Column("false_by", sa.Text),
    sa.Column("acknowledged_at", At),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("acknowledged_note", sa.Text),
)
sa.Index(
    "alert_open_idx",
    alert.c.stream,
    alert.c.slo,
    alert.c.kind,
    unique=True,
    postgresql_where=alert.c.state.in_(["pending", "firing"]),
)

# Messages that must go out, one row per receiver, written with the change of state that they tell of. One that is
# `held` was tried while its receiver did not answer at all; it goes out before younger ones once that answers again.
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
    required("held", sa.Boolean()),
)
sa.Index("outbox_due_idx", outbox.c.due_at, postgresql_where=outbox.c.state == "due")
sa.Index("outbox_subject_idx", outbox.c.receiver, outbox.c.subject, outbox.c.created_at)
sa.Index("outbox_created_idx", outbox.c.created_at)
