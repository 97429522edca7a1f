"""Lengths of time as people write them: `90m`, `30d`."""

from datetime import timedelta
from typing import Final

UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds of each unit."""


def format_duration(length: timedelta) -> str:
    """The shortest Prometheus duration that means `length`, to the millisecond."""
    left, parts = round(length / timedelta(milliseconds=1)), []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, UNITS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"
