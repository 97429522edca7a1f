"""Whether a service runs at all: where none does no window is closed, so that none waits or is measured. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape

from dashboard import words
from dashboard.declared import Declared
from drift.alert import GRACE
from drift.store.reads import StreamRow


def silent_for(streams: Sequence[StreamRow], config: Declared | None, at: datetime) -> timedelta | None:
    """How long no service has closed a window of the declared streams; None where that is no longer than it may be.

    A service closes windows whether rows come or not, so the stream with the shortest ones tells first. None as well
    where no service has begun yet, or the configuration is not known.
    """
    closed, patience = [], []
    for row in streams:
        declared = config.stream(row.stream.key) if config else None
        if declared is not None and row.open_from is not None:
            closed.append(row.open_from)
            patience.append(declared.window + declared.lateness + GRACE)
    if not closed:
        return None
    silent = at - max(closed)
    return silent if silent > min(patience) else None


def notice(silent: timedelta | None) -> str:
    """What that means, in words; "" where a service runs."""
    return (
        f"no window was closed for {words.length(silent)}: where no service runs, no alert goes out" if silent else ""
    )


def banner(silent: timedelta | None) -> str:
    """The same as the first line of a page, in HTML."""
    return f'<p class="verdict">◆ {escape(notice(silent).capitalize())}</p>' if silent else ""
