"""What was done about a model while an alert was open: retraining, gates, trials, and which version served."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from drift.records import Canary, Gated, Retrain, Span
from drift.store import canaries, gates, retrains, tables

MOST_WINDOWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Served:
    """From `since` on most rows came of that encoder version, as they say themselves."""

    version: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """All of it, each oldest first."""

    retrains: tuple[Retrain, ...] = ()
    gates: tuple[Gated, ...] = ()
    trials: tuple[Canary, ...] = ()
    served: tuple[Served, ...] = ()


def changes(conn: sa.Connection, stream: str, slo: str, fired_at: datetime | None, span: Span) -> Changes:
    """What was done in `span` about the stream of that key, and because `slo` had fired at `fired_at`."""
    asked = [] if fired_at is None else retrains.of_alert(conn, stream, slo, fired_at)
    # Where another request stood in the way, that one is the answer to this alert as well.
    also = [retrains.retrain(conn, intent.because) for intent in asked if intent.because]
    found = {intent.id: intent for intent in (*asked, *also) if intent is not None}
    decided = gates.of_ids(conn, list(found))
    trials = canaries.decided(conn, stream.partition("/")[0], span)
    ordered = sorted(found.values(), key=lambda intent: (intent.asked_at, intent.id))
    return Changes(tuple(ordered), tuple(decided), tuple(trials), tuple(served(conn, stream, span)))


def served(conn: sa.Connection, stream: str, span: Span) -> list[Served]:
    """The versions that most rows of windows in `span` say they come of, each from when it took another's place.

    Of the newest windows, as many as one looks at, and as long as their rows are kept.
    """
    t = tables.window
    each = sa.func.unnest(t.c.encoder_versions).table_valued("version", name="each").render_derived()
    most = (
        sa.select(each.c.version)
        .where(each.c.version.is_not(None))
        .group_by(each.c.version)
        .order_by(sa.func.count().desc(), each.c.version)
        .limit(1)
        .correlate(t)
        .scalar_subquery()
    )
    mine = (t.c.stream == stream) & (t.c.start >= span.start) & (t.c.start < span.end)
    query = sa.select(t.c.start, most).where(mine).order_by(t.c.start.desc()).limit(MOST_WINDOWS)
    found: list[Served] = []
    for start, version in reversed(conn.execute(query).all()):
        if version is not None and (not found or found[-1].version != version):
            found.append(Served(version, start.astimezone(UTC)))
    return found
