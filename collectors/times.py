"""When a row was made: everything that senders write as a time, turned into microseconds since the Unix epoch, UTC.

A time may be a timestamp (any unit and zone; a naive one is UTC), ISO 8601 text (likewise), or a number of seconds
since the Unix epoch.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pat

from drift.errors import PayloadError
from drift.records import EPOCH, NO_TIME, RowFault, RowReason, Span

PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
MICRO: Final = 1_000_000
FIRST: Final = -62_135_596_800 * MICRO
END: Final = 253_402_300_800 * MICRO
"""The years 1 to 9999, in microseconds, half-open."""

EVER: Final = Span(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""The same years as a span."""

_HINT: Final = "needed is ISO 8601 text, or a number of seconds since 1970, within the years 1 to 9999"


def microseconds(at: datetime) -> int:
    """Microseconds from the Unix epoch to `at`; a naive `at` is taken as UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def moment(time: int) -> datetime:
    """The moment `time` microseconds after the Unix epoch, in UTC."""
    return (EPOCH + timedelta(microseconds=time)).astimezone(UTC)


def shown(time: int) -> str:
    """`time` (microseconds since the Unix epoch) as a person reads it."""
    return moment(time).isoformat()


def read_time(value: object) -> int:
    """Microseconds since the Unix epoch of one time as JSON can hold it: text or a number.

    Raises:
        ValueError: it is no time, or one outside the years 1 to 9999.
    """
    time = None
    try:
        if isinstance(value, str):
            time = microseconds(datetime.fromisoformat(value))
        elif isinstance(value, float):
            time = round(value * 1e6)
        elif isinstance(value, int) and not isinstance(value, bool):
            time = value * MICRO
    except (ValueError, OverflowError) as error:
        raise ValueError(_unreadable(value)) from error
    if time is None or not FIRST <= time < END:
        raise ValueError(_unreadable(value))
    return time


def read_times(values: Iterable[object]) -> tuple[npt.NDArray[np.int64], list[RowFault]]:
    """n times as JSON can hold them, in microseconds; None is `NO_TIME`, and so is each row with a fault."""
    times: list[int] = []
    faults = []
    for row, value in enumerate(values):
        time: int = NO_TIME
        if value is not None:
            try:
                time = read_time(value)
            except ValueError as error:
                faults.append(RowFault(row, RowReason.BAD_TIME, str(error)))
        times.append(time)
    return np.array(times, np.int64), faults


def read_time_array(array: pa.Array) -> tuple[npt.NDArray[np.int64], list[RowFault]]:
    """n times of an Arrow column, in microseconds; null is `NO_TIME`, and so is each row with a fault.

    Raises:
        PayloadError: the column's type holds no times.
    """
    kind = array.type
    if pat.is_null(kind):
        return np.full(len(array), NO_TIME), []
    if pat.is_timestamp(kind):
        return _scaled(array, array.cast(pa.int64()).fill_null(0).to_numpy(), PER_SECOND[kind.unit])
    if pat.is_integer(kind):
        return _scaled(array, array.fill_null(0).to_numpy(), 1)
    if pat.is_floating(kind):
        return _scaled(array, array.cast(pa.float64()).fill_null(0).to_numpy(), 1)
    if is_text(kind):
        return read_times(array.to_pylist())
    raise PayloadError(f"column 'time' has the type {kind}: {_HINT}, or an Arrow timestamp")


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, possibly through a dictionary."""
    value = kind.value_type if pat.is_dictionary(kind) else kind
    return bool(pat.is_string(value) or pat.is_large_string(value) or pat.is_string_view(value))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column of this type holds bytes."""
    return bool(pat.is_binary(kind) or pat.is_large_binary(kind))


def _scaled(
    array: pa.Array, values: npt.NDArray[np.integer | np.float64], per_second: int
) -> tuple[npt.NDArray[np.int64], list[RowFault]]:
    # Compared in the unit as sent: a product that overflows would land on a plausible time.
    inside = (values >= FIRST * per_second // MICRO) & (values < END * per_second // MICRO)
    safe = np.where(inside, values, 0)
    if safe.dtype.kind == "f":
        times = np.rint(safe * 1e6).astype(np.int64)
    elif per_second > MICRO:
        times = safe.astype(np.int64) // (per_second // MICRO)
    else:
        times = safe.astype(np.int64) * (MICRO // per_second)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    faults = [
        RowFault(int(row), RowReason.BAD_TIME, _unreadable(values[row].item()))
        for row in np.flatnonzero(valid & ~inside)
    ]
    return np.where(valid & inside, times, NO_TIME), faults


def _unreadable(value: object) -> str:
    text = repr(value)
    found = text if len(text) <= 60 else f"{text[:60]}…"
    late = isinstance(value, int | float) and abs(value) >= END // MICRO
    return f"{found} is not a time{' (is it in milliseconds?)' if late else ''}: {_HINT}"
