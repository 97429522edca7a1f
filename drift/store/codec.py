"""How arrays lie in `bytea` columns (little-endian, row by row, no header), and records in `jsonb`."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from drift.records import Diagnosis, KeptAttribution, Texts, few_levels

HALF: Final = "float16"
SINGLE: Final = "float32"
_HALF_ERROR: Final = 1e-3  # of a row's norm


def pack(array: npt.NDArray[np.generic]) -> bytes:
    """The bytes of `array`."""
    return np.ascontiguousarray(array).tobytes()


def vectors(data: bytes, dim: int, dtype: str = SINGLE) -> npt.NDArray[np.float32]:
    """The (n, dim) matrix in `data`, as float32."""
    return np.frombuffer(data, dtype).reshape(-1, dim).astype(np.float32, copy=False)


def doubles(data: bytes) -> npt.NDArray[np.float64]:
    """The numbers in `data`."""
    return np.frombuffer(data, np.float64)


def compact(array: npt.NDArray[np.float32]) -> tuple[str, bytes]:
    """The type and bytes of `array`: float16 where each row keeps its direction and norm to a thousandth.

    Rows of few values keep all their bits: from these it is told that a store has rounded them.
    """
    if few_levels(array).any():
        return SINGLE, pack(array)
    with np.errstate(over="ignore", invalid="ignore"):
        half = array.astype(np.float16)
        error = np.linalg.norm(half.astype(np.float32) - array, axis=1)
        if np.isfinite(error).all() and (error <= _HALF_ERROR * np.linalg.norm(array, axis=1)).all():
            return HALF, pack(half)
    return SINGLE, pack(array)


def segments(columns: Mapping[str, Texts]) -> dict[str, list[str | None]]:
    """Segment columns as Postgres takes them."""
    return {name: texts(column) for name, column in columns.items()}


def texts(column: Texts) -> list[str | None]:
    """A text column as Postgres takes it; Postgres cannot hold the character NUL, so it is left out."""
    return [None if text is None else text.replace("\0", "") for text in column]


def attribution(kept: KeptAttribution) -> object:
    """`kept` as JSON takes it."""
    return _without_nul(_ATTRIBUTION.dump_python(kept, mode="json"))


def read_attribution(data: object) -> KeptAttribution:
    """What `attribution` made. It used to be of the squared MMD alone, under that name."""
    if isinstance(data, dict) and "mmd2" in data:
        data = {**data, "by": "mmd_wide", "total": data["mmd2"]}
    return _ATTRIBUTION.validate_python(data)


def diagnosis(found: Diagnosis) -> object:
    """`found` as JSON takes it."""
    return _without_nul(_DIAGNOSIS.dump_python(found, mode="json"))


def read_diagnosis(data: object) -> Diagnosis:
    """What `diagnosis` made."""
    return _DIAGNOSIS.validate_python(data)


_ATTRIBUTION: Final = TypeAdapter(KeptAttribution)
_DIAGNOSIS: Final = TypeAdapter(Diagnosis)


def _without_nul(value: object) -> object:
    match value:
        case str():
            return value.replace("\0", "")
        case dict():
            return {name: _without_nul(each) for name, each in value.items()}
        case list():
            return [_without_nul(each) for each in value]
        case _:
            return value
