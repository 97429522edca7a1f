"""Have every Alertmanager be quiet while maintenance is on; what it lost, or somebody changed there, is made again."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from drift.errors import DeliveryError
from drift.notify.silences import Key, Live, Silence, Silencer
from drift.records import Maintenance
from drift.store import maintenance
from drift.store.connect import Engine

log = structlog.get_logger()
AHEAD: Final = timedelta(hours=1)
"""How long before it begins a silence is made: an Alertmanager that is away for a while has it all the same."""


def reconcile(engine: Engine, silencers: Mapping[str, Silencer], *, now: datetime) -> int:
    """Bring what is planned to each Alertmanager; return at how many that failed.

    Of several processes one does it. A new silence is made at one Alertmanager a turn, so that those of a cluster,
    which hand silences on, do not end up with one each; those of no cluster have it a turn later.
    """
    with engine.begin() as conn:
        if not maintenance.take_turn(conn):
            return 0
        planned = maintenance.unfinished(conn, now=now)
        failed, made = 0, set[Key]()
        for name, silencer in silencers.items():
            try:
                _bring(silencer, planned, made, now)
            except DeliveryError as error:
                failed += 1
                log.warning("silences not brought", receiver=name, error=str(error))
    return failed


def _bring(silencer: Silencer, planned: Sequence[Maintenance], made: set[Key], now: datetime) -> None:
    """Make, correct and end the silences of one Alertmanager. What is new is added to `made`, and not made if there."""
    wanted = {silence.key: silence for window in planned for silence in _silences(window, now)}
    ours, found = {window.id for window in planned}, dict[Key, Live]()
    for live in silencer.live():
        found.setdefault(live.key, live)
        # Those of other databases are not known here, and are left alone.
        if live.key.id in ours and live.key not in wanted:
            silencer.expire(live)
            log.info("silence ended", maintenance=live.key.id)
    for key, silence in wanted.items():
        if (live_one := found.get(key)) is None:
            if key not in made and silence.span.start <= now + AHEAD:
                silencer.put(silence)
                made.add(key)
                log.info("silence made", maintenance=key.id, until=silence.span.end)
        elif (live_one.span.end, live_one.matchers) != (silence.span.end, silence.matchers):
            silencer.put(silence, live_one)


def _silences(window: Maintenance, now: datetime) -> Iterator[Silence]:
    return (Silence.of(window, span) for span in window.effective if span.end > now)
