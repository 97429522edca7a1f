"""What receivers answer, made fit for an error's text and for the outbox."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2

EXCERPT_BYTES: Final = 1024
LONGEST_RETRY_AFTER: Final = timedelta(
    hours=24
)  # the longest gap of our own schedule; a receiver may not park us longer


def excerpt(body: bytes) -> str:
    """The first kilobyte of an answer as one printable line; Postgres refuses a text with a NUL in it."""
    text = body[:EXCERPT_BYTES].decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def retry_after(answer: httpx2.Response, *, now: datetime) -> timedelta | None:
    """How long the receiver asked to be left alone, in [0, 24 h]; None when it did not, or not legibly."""
    asked = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,18}", asked):
        return timedelta(seconds=min(int(asked), LONGEST_RETRY_AFTER // timedelta(seconds=1)))
    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)  # "-0000" is UTC without a place
    return min(max(until - now, timedelta(0)), LONGEST_RETRY_AFTER)


def clock_skew(answer: httpx2.Response, *, now: datetime) -> timedelta | None:
    """How far the clock of who answered is ahead of ours, by its `Date`; None when it tells none, or not legibly.

    `now` is when we asked. 0 for any time between then and when the answer was there: no more can be said of it, and
    its last second may be almost over.
    """
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, OverflowError):
        return None
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    if told > now + answer.elapsed:
        return told - now - answer.elapsed
    return min(told + timedelta(seconds=1) - now, timedelta(0))
