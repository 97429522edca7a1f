"""Arrow record batches turned into batches of rows; every format of the service comes through here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from collectors.rows import (
    DEFAULT_LIMITS,
    ENCODER_VERSION,
    ID,
    INPUT,
    LABEL,
    SESSION,
    TIME,
    VECTOR,
    Batch,
    Limits,
    join,
)
from collectors.times import is_bytes, is_text, read_time_array
from drift.errors import PayloadError
from drift.records import NO_TIME, RowFault, RowReason, Rows, Stream, Texts, data_url

ARROW_ERRORS: Final = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)
"""What pyarrow raises on bytes that it cannot read."""


def columns_of(segments: Sequence[str]) -> tuple[str, ...]:
    """The columns that are read, each once; a sender's other columns are ignored."""
    return (VECTOR, TIME, *texts_of(segments))


def texts_of(segments: Sequence[str]) -> tuple[str, ...]:
    """The columns that are read as text, each once."""
    names = dict.fromkeys((ID, SESSION, INPUT, LABEL, ENCODER_VERSION, *segments))
    return tuple(name for name in names if name not in {VECTOR, TIME})


def read_batches(
    sent: Sequence[pa.RecordBatch],
    stream: Stream,
    segments: Sequence[str],
    *,
    limits: Limits = DEFAULT_LIMITS,
    earlier: Sequence[RowFault] = (),
) -> Batch:
    """The rows of at least one Arrow record batch that have the right shape; they are still to be screened.

    `earlier` are faults already found in rows of the first record batch; they win over what is found here.

    Raises:
        PayloadError: there is no usable vector column, a column has a type that cannot be used, the data contradict
            themselves (a mutated body), or decoding them would take more than `limits`.
    """
    used = [checked(each, columns_of(segments)) for each in sent]
    if VECTOR not in (names := sent[0].schema.names):
        raise PayloadError(f"needed is a column 'vector', found {names}: rename the column with the embeddings")
    _require_room(used, stream, limits)
    parts = [_read(used[0], stream, segments, limits, earlier)]
    batch = join(parts + [_read(each, stream, segments, limits, ()) for each in used[1:]])
    return replace(batch, rows=_tidy(batch.rows))


def _tidy(rows: Rows) -> Rows:
    """The same rows; a column in which no row has a value is as if it had not been sent, whatever the format."""

    def given(column: Texts) -> Texts:
        return column if any(text is not None for text in column) else ()

    timed = rows.times is not None and bool((rows.times != NO_TIME).any())
    return Rows(
        vectors=rows.vectors,
        times=rows.times if timed else None,
        ids=given(rows.ids),
        sessions=given(rows.sessions),
        inputs=given(rows.inputs),
        labels=given(rows.labels),
        encoder_versions=given(rows.encoder_versions),
        segments={name: given(column) for name, column in rows.segments.items()},
    )


def _read(
    used: pa.RecordBatch, stream: Stream, segments: Sequence[str], limits: Limits, earlier: Sequence[RowFault]
) -> Batch:
    vectors, bad = read_vectors(used.column(VECTOR), stream.dim)
    found = [*earlier, *bad]
    times = None
    if TIME in used.schema.names:
        times, bad = read_time_array(used.column(TIME))
        found += bad
    texts: dict[str, Texts] = {}
    for name in texts_of(segments):
        if name in used.schema.names:
            texts[name], bad = read_texts(used.column(name), name, limits)
            found += bad
    rows = Rows(
        vectors=vectors,
        times=times,
        ids=texts.get(ID, ()),
        sessions=texts.get(SESSION, ()),
        inputs=texts.get(INPUT, ()),
        labels=texts.get(LABEL, ()),
        encoder_versions=texts.get(ENCODER_VERSION, ()),
        segments={name: texts.get(name, ()) for name in segments},
    )
    return Batch(rows, np.arange(len(rows)), (), len(rows)).without(found)


def checked(sent: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """Those of `columns` that `sent` has, validated in full: Arrow trusts its input, and bad offsets crash the process.

    Raises:
        PayloadError: a column is there twice, or the data contradict themselves.
    """
    names = sent.schema.names
    if twice := [name for name in columns if names.count(name) > 1]:
        raise PayloadError(f"column {twice[0]!r} is there {names.count(twice[0])} times: send each column once")
    try:
        used = sent.select([name for name in columns if name in names])
        used.validate(full=True)
    except ARROW_ERRORS as error:
        raise PayloadError(
            f"the Arrow data contradict themselves ({error}): write them again with an Arrow library"
        ) from error
    return used


def read_vectors(array: pa.Array, dim: int) -> tuple[npt.NDArray[np.float32], list[RowFault]]:
    """The vectors as a float32 matrix of `dim` columns; a row with a fault is all zero.

    Whole numbers, as in int8 quantised embeddings, count as they are. A null element becomes NaN, a float64 beyond
    float32 becomes infinite; screening refuses both.
    """
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    starts, sizes = _extents(array)
    null = array.is_null().to_numpy(zero_copy_only=False)
    good = ~null & (sizes == dim)
    # Only the stretch that this array uses: a slice shares its elements with all of its siblings.
    low, high = (int(starts[0]), int(starts[-1] + sizes[-1])) if len(array) else (0, 0)
    elements = array.values.slice(low, high - low).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        if good.all():
            # A copy even where none is needed: the rows must outlive the body, and torch wants them writable.
            return elements.reshape(-1, dim).astype(np.float32, order="C"), []
        matrix = np.zeros((len(array), dim), np.float32)
        matrix[good] = elements[(starts[good] - low)[:, None] + np.arange(dim)]
    faults = [RowFault(int(row), RowReason.MALFORMED, "the row has no vector") for row in np.flatnonzero(null)]
    faults += [
        RowFault(int(row), RowReason.WRONG_DIMENSION, f"the vector has {sizes[row]} elements, needed are {dim}")
        for row in np.flatnonzero(~null & ~good)
    ]
    return matrix, faults


def _extents(array: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each row's elements start in `array.values` (which ignores slicing), and how many they are."""
    kind = array.type
    listed = pat.is_fixed_size_list(kind) or pat.is_list(kind) or pat.is_large_list(kind)
    if not listed or not (pat.is_floating(kind.value_type) or pat.is_integer(kind.value_type)):
        raise PayloadError(
            f"column 'vector' has the type {kind}, needed is a list or fixed_size_list of floats or whole numbers"
        )
    if pat.is_fixed_size_list(kind):
        size = kind.list_size
        return (np.arange(len(array), dtype=np.int64) + array.offset) * size, np.full(len(array), size, np.int64)
    offsets: npt.NDArray[np.int64] = array.offsets.to_numpy().astype(np.int64)
    return offsets[:-1], np.diff(offsets)


def read_texts(array: pa.Array, name: str, limits: Limits) -> tuple[Texts, list[RowFault]]:
    """A text column, () where no row has a value. Integers and booleans are turned to text, and inputs that are bytes
    (images, `.npy` files) to data URLs.

    Postgres takes no NUL, and no index takes a long key: such a value would fail a whole batch, so it is a fault.
    """
    if array.null_count == len(array):
        return (), []
    if name == INPUT and is_bytes(array.type):
        return tuple(None if value is None else data_url(value) for value in array.to_pylist()), []
    plain = plain_texts(array, name)
    faults = []
    if name != INPUT:
        lengths = _lengths(plain)
        faults = [
            RowFault(int(row), RowReason.MALFORMED, f"{name} has {lengths[row]} bytes, at most {limits.name} are taken")
            for row in np.flatnonzero(lengths > limits.name)
        ]
    if pc.any(nul := pc.match_substring(plain, "\0")).as_py():
        rows = np.flatnonzero(nul.fill_null(False).to_numpy(zero_copy_only=False))  # noqa: FBT003
        faults += [RowFault(int(row), RowReason.MALFORMED, f"{name} has a NUL character") for row in rows]
    return tuple(plain.to_numpy(zero_copy_only=False).tolist()), faults


def plain_texts(array: pa.Array, name: str) -> pa.Array:
    """A text column decoded to `large_string`; integers and booleans are turned to text.

    Raises:
        PayloadError: the column's type is none of these.
    """
    kind = array.type
    value = kind.value_type if pat.is_dictionary(kind) else kind
    if not (is_text(kind) or pat.is_integer(value) or pat.is_boolean(value) or pat.is_null(value)):
        raise PayloadError(f"column {name!r} has the type {kind}, needed is text or an integer: cast it before sending")
    return (array.dictionary_decode() if pat.is_dictionary(kind) else array).cast(pa.large_string())


def _lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each value once decoded, without decoding: a dictionary or a view can name one long value often."""
    kind = array.type
    if pat.is_dictionary(kind):
        each = np.append(_lengths(array.dictionary), 0)
        at: npt.NDArray[np.int64] = array.indices.cast(pa.int64()).fill_null(-1).to_numpy()
        return each[at]
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    if pat.is_string_view(kind):
        # Each view is 16 bytes and starts with its length; Arrow has no kernel for it.
        views = np.frombuffer(array.buffers()[1], np.int32, count=4 * (array.offset + len(array)))[::4]
        return np.where(valid, views[array.offset :], 0).astype(np.int64)
    if is_bytes(kind):
        return 2 * np.asarray(pc.binary_length(array).fill_null(0).to_numpy(), np.int64)  # as base64, and its head
    if not is_text(kind):
        return np.where(valid, 20, 0)
    lengths: npt.NDArray[np.int64] = pc.binary_length(array).fill_null(0).to_numpy().astype(np.int64)
    return lengths


def _require_room(used: Sequence[pa.RecordBatch], stream: Stream, limits: Limits) -> None:
    """Refuse before anything is decoded."""
    if (rows := sum(each.num_rows for each in used)) > limits.rows:
        raise PayloadError(f"the batch has {rows} rows, at most {limits.rows} are taken: send smaller batches")
    size = rows * stream.dim * 4
    for each in used:
        size += sum(int(_lengths(each.column(n)).sum()) for n in each.schema.names if n not in {VECTOR, TIME})
    if size > limits.decoded:
        raise PayloadError(
            f"{rows} rows of {stream.dim} dimensions and their texts take {size} bytes once decoded, "
            f"at most {limits.decoded} are taken: send smaller batches"
        )
