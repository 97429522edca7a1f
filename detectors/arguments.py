"""What callers of the public functions pass beside vectors, checked once: each error names one parameter."""

from collections.abc import Iterable, Sequence

import numpy as np

from drift.errors import BadArgumentError


def require_whole(function: str, name: str, value: object, least: int) -> None:
    """Raise BadArgumentError unless `value` is a whole number of at least `least`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or int(value) < least:  # type: ignore[call-overload]
        raise BadArgumentError(f"{function} needs {name} to be a whole number, at least {least}, it is {value!r}")


def require_share(function: str, name: str, value: object) -> None:
    """Raise BadArgumentError unless `value` is a number above 0 and below 1."""
    if not _number(value) or not 0 < float(value) < 1:  # type: ignore[arg-type]
        raise BadArgumentError(f"{function} needs {name} above 0 and below 1, it is {value!r}")


def require_share_or_zero(function: str, name: str, value: object) -> None:
    """Raise BadArgumentError unless `value` is a number of at least 0 and below 1."""
    if not _number(value) or not 0 <= float(value) < 1:  # type: ignore[arg-type]
        raise BadArgumentError(f"{function} needs {name} of at least 0 and below 1, it is {value!r}")


def require_positive(function: str, name: str, value: object) -> None:
    """Raise BadArgumentError unless `value` is a finite number above 0."""
    if not _number(value) or not 0 < float(value) < float("inf"):  # type: ignore[arg-type]
        raise BadArgumentError(f"{function} needs {name} above 0, it is {value!r}")


def as_segments(segments: Sequence[str] | None, rows: int) -> list[str] | None:
    """`segments`, where given, as a list, or BadArgumentError unless they name the segments of `rows` rows."""
    if segments is None:
        return None
    if isinstance(segments, str | bytes) or not isinstance(segments, Iterable):
        raise BadArgumentError(f"panel needs segments to be a list of text, one for each row, it is {segments!r}")
    names = list(segments)
    if len(names) != rows:
        raise BadArgumentError(f"panel needs one segment for each of {rows} rows, it was given {len(names)}")
    if (wrong := next((at for at, name in enumerate(names) if not isinstance(name, str)), None)) is not None:
        raise BadArgumentError(
            f"panel needs text as segments, row {wrong} has {names[wrong]!r}: convert it, '' for none"
        )
    return names


def _number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
