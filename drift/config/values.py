"""Values that the configuration file may hold and Python has no literal for: durations and exact ratios."""

import re
from datetime import time, timedelta
from fractions import Fraction
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from drift.records.durations import UNITS
from drift.records.durations import format_duration as format_duration  # noqa: PLC0414  # is written where drift.slo may use it

_CLOCK: Final = r"^([01]\d|2[0-3]):[0-5]\d$"
_PATTERN: Final = r"^(\d+(ms|[smhdw]))+$"


def parse_duration(value: object) -> timedelta:
    """A Prometheus duration such as `30s`, `5m`, `1h30m`, `30d`; longer than zero.

    Raises:
        ValueError: it is not one.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value)
    if not re.match(_PATTERN, text):
        raise ValueError(f"{text[:40]!r} is not a duration: write a number and a unit, such as 30s, 5m, 1h30m or 30d")
    parts = re.findall(r"(\d+)(ms|[smhdw])", text)
    try:
        length = timedelta(milliseconds=sum(int(number) * UNITS[unit] for number, unit in parts))
    except (OverflowError, ValueError):
        raise ValueError(f"{text[:40]!r} is too long for a duration: the longest is 999999999d") from None
    if not length:
        raise ValueError(f"{text!r} is no time at all: a duration must be longer than zero")
    return length


def parse_clock(value: object) -> time:
    """A time of day such as `09:00`.

    Raises:
        ValueError: it is not one. YAML takes 10:30 without quotes for a number, 630.
    """
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.match(_CLOCK, value):
        raise ValueError(f'{value!r} is not a time of day: write it in quotes, hours and minutes, such as "09:00"')
    return time.fromisoformat(value)


def parse_ratio(value: object) -> Fraction:
    """An exact ratio in (0, 1), from the digits as written.

    Raises:
        ValueError: it is not one; percent are refused with the ratio that was meant.
    """
    try:
        ratio = Fraction(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a ratio: write a number between 0 and 1, such as 0.95") from None
    if 1 < ratio < 100:
        raise ValueError(f"{value} is not a ratio in (0, 1): {float(ratio / 100):g} would be {value} percent")
    if not 0 < ratio < 1:
        raise ValueError(f"{value} is not a ratio in (0, 1), such as 0.95")
    return ratio


def parse_factor(value: object) -> Fraction:
    """An exact positive number, from the digits as written.

    Raises:
        ValueError: it is not one.
    """
    try:
        factor = Fraction(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a number, such as 14.4") from None
    if factor <= 0:
        raise ValueError(f"{value} must be greater than 0")
    return factor


def require_http(url: str) -> str:
    """`url`, if it is an absolute http or https address with a host, without slashes at its end.

    Raises:
        ValueError: it is not.
    """
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        raise ValueError(f"{url!r} is not an address: write http://host:port or https://host")
    return url.rstrip("/")


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["30s", "5m", "1h30m", "30d"]}),
]
Http = Annotated[str, AfterValidator(require_http)]
Clock = Annotated[
    time,
    BeforeValidator(parse_clock),
    PlainSerializer(lambda at: f"{at:%H:%M}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": _CLOCK, "examples": ["09:00"]}),
]
Ratio = Annotated[
    Fraction,
    BeforeValidator(parse_ratio),
    PlainSerializer(float, return_type=float),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
]
Factor = Annotated[
    Fraction,
    BeforeValidator(parse_factor),
    PlainSerializer(float, return_type=float),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
"""What a stream, an objective or a receiver may be called."""
