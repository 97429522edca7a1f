"""When to try again: the outbox asks, so that every wait is a number and no notifier sleeps."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

# The example schedule of Standard Webhooks 1.0.0; the last attempt is 75 h 35 min 5 s after the first.
RETRY_SCHEDULE: Final = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)

# Short, for the firing set is sent again anyway and a late copy of it is worth little.
ALERT_RETRY_SCHEDULE: Final = tuple(timedelta(seconds=seconds) for seconds in (0, 5, 15, 60))

JITTER: Final = 0.2


def retry_delay(attempts: int, *, jitter: float, schedule: Sequence[timedelta] = RETRY_SCHEDULE) -> timedelta | None:
    """How long to wait after `attempts` failed ones; None when no more should be made.

    `jitter` in [-1, 1] moves the wait by up to 20 %, so that receivers do not meet all retries at once.

    Raises:
        ValueError: `attempts` is negative or `jitter` out of its range.
    """
    if attempts < 0 or not -1 <= jitter <= 1:
        raise ValueError(f"a retry needs attempts >= 0 and a jitter in [-1, 1], found {attempts} and {jitter}")
    if attempts >= len(schedule):
        return None
    return schedule[attempts] * (1 + JITTER * jitter)
