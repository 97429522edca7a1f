"""The one row schema, in columns, and why a row may be refused."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float32, Int64

from drift.errors import BadArgumentError


class RowReason(StrEnum):
    """Why a row was not accepted."""

    WRONG_DIMENSION = "wrong_dimension"
    NOT_FINITE = "not_finite"
    ZERO_VECTOR = "zero_vector"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class RowFault:
    """One row that was not accepted: its index in the batch as sent, the reason, and what was found."""

    row: int
    reason: RowReason
    detail: str


Texts = tuple[str | None, ...]


def _described(found: object) -> str:
    kind = type(found).__name__
    return f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else f"a {kind}"


NO_TIME: Final = np.iinfo(np.int64).min
"""Stands for "this row has no time" among the times of rows that have one."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The row schema, in columns: `n` embeddings and what came with each of them.

    Only `vectors` is required. A text column is either empty (not sent at all) or has `n` entries, None where a row
    has no value. `times` is likewise None or `n` microseconds since the Unix epoch, UTC. `sessions` name what rows that
    depend on one another have in common (a conversation, a user, a document): a sample keeps one row of each.
    `segments` maps a column name to `n` entries, or to none at all.
    """

    vectors: Float32[np.ndarray, "n d"]
    times: Int64[np.ndarray, "n"] | None = None
    ids: Texts = ()
    sessions: Texts = ()
    inputs: Texts = ()
    labels: Texts = ()
    encoder_versions: Texts = ()
    segments: Mapping[str, Texts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.vectors, np.ndarray) or self.vectors.ndim != 2 or self.vectors.dtype != np.float32:
            raise BadArgumentError(
                f"Rows needs vectors as a float32 array of shape (n, d), they are {_described(self.vectors)}: "
                "np.asarray(vectors, np.float32)"
            )
        n = len(self.vectors)
        columns = {"ids": self.ids, "inputs": self.inputs, "labels": self.labels} | dict(self.segments)
        columns |= {"sessions": self.sessions, "encoder_versions": self.encoder_versions}
        for name, column in columns.items():
            if not isinstance(column, tuple):
                raise BadArgumentError(f"Rows needs {name} to be a tuple, it is {_described(column)}: tuple({name})")
            if column and len(column) != n:
                raise ValueError(f"column {name!r} has {len(column)} entries, the batch has {n} rows")
        if self.times is not None and len(self.times) != n:
            raise ValueError(f"column 'times' has {len(self.times)} entries, the batch has {n} rows")

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def none(cls, dim: int) -> "Rows":
        """No rows of `dim` dimensions."""
        return cls(np.empty((0, dim), np.float32))

    @classmethod
    def stack(cls, parts: "Sequence[Rows]") -> "Rows":
        """The rows of at least one part, one after another; those of a part without a column have no value in it."""
        if len(parts) == 1:
            return parts[0]

        def texts(columns: Sequence[Texts]) -> Texts:
            if not any(columns):
                return ()
            filled = (column or (None,) * len(part) for column, part in zip(columns, parts, strict=True))
            return tuple(text for column in filled for text in column)

        times = None
        if any(part.times is not None for part in parts):
            times = np.concatenate([np.full(len(p), NO_TIME) if p.times is None else p.times for p in parts])
        names = dict.fromkeys(name for part in parts for name in part.segments)
        return cls(
            vectors=np.concatenate([part.vectors for part in parts]),
            times=times,
            ids=texts([part.ids for part in parts]),
            sessions=texts([part.sessions for part in parts]),
            inputs=texts([part.inputs for part in parts]),
            labels=texts([part.labels for part in parts]),
            encoder_versions=texts([part.encoder_versions for part in parts]),
            segments={name: texts([part.segments.get(name, ()) for part in parts]) for name in names},
        )

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Rows":
        """The rows at `index` (positions in the order wanted, or a mask of `n` booleans)."""
        at = np.flatnonzero(index) if index.dtype == np.bool_ else index

        def pick(column: Texts) -> Texts:
            return tuple(map(column.__getitem__, at.tolist())) if column else ()

        return Rows(
            vectors=self.vectors[at],
            times=None if self.times is None else self.times[at],
            ids=pick(self.ids),
            sessions=pick(self.sessions),
            inputs=pick(self.inputs),
            labels=pick(self.labels),
            encoder_versions=pick(self.encoder_versions),
            segments={name: pick(column) for name, column in self.segments.items()},
        )

    @property
    def segment_columns(self) -> tuple[str, ...]:
        """The columns of `segments` that were sent."""
        return tuple(name for name, column in self.segments.items() if column)

    def segments_by(self, columns: Sequence[str]) -> list[str]:
        """The segment of each row by all of `columns`, `lang=de, tenant=acme`; "-" stands for a value it has not."""
        held = [self.segments.get(column) or (None,) * len(self) for column in columns]
        named = ([f"{name}={value or '-'}" for value in values] for name, values in zip(columns, held, strict=True))
        return [", ".join(parts) for parts in zip(*named, strict=True)]

    def with_value(self, column: Texts) -> npt.NDArray[np.intp]:
        """Positions of the rows that have a value in `column`, one of this object's own columns."""
        return np.array([i for i, value in enumerate(column) if value is not None], np.intp)

    def labelled(self) -> npt.NDArray[np.intp]:
        """Positions of the rows that have a label; an empty one is none."""
        return np.array([i for i, label in enumerate(self.labels) if label], np.intp)


def require_valid(vectors: npt.NDArray[np.float32], dim: int, what: str) -> None:
    """Raise ValueError unless `vectors` is a float32 matrix of `dim` columns and finite, non-zero rows."""
    if vectors.ndim != 2 or vectors.shape[1] != dim or vectors.dtype != np.float32:
        raise ValueError(
            f"{what} needs float32 vectors of shape (n, {dim}), got {vectors.dtype} of shape {vectors.shape}"
        )
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise ValueError(f"{what} has rows that are not finite or all zero: screen them first")


def checksum(rows: Rows) -> str:
    """sha256 over vectors, inputs and labels, as 64 hexadecimal digits."""
    digest = hashlib.sha256(np.ascontiguousarray(rows.vectors).tobytes())
    for column in (rows.inputs, rows.labels):
        digest.update(repr(column).encode())
    return digest.hexdigest()


def tally(faults: Sequence[RowFault]) -> dict[RowReason, int]:
    """How many rows were not accepted, by reason."""
    counts: dict[RowReason, int] = {}
    for fault in faults:
        counts[fault.reason] = counts.get(fault.reason, 0) + 1
    return counts
