"""Rows sent as JSON documents: one array of row objects, or one object per line."""

import json
import re
from collections.abc import Sequence
from typing import Final

import orjson
import pyarrow as pa

from collectors.columns import read_batches, texts_of
from collectors.rows import TIME, VECTOR, Batch, Limits
from collectors.times import read_times
from drift.errors import PayloadError
from drift.records import NO_TIME, RowFault, RowReason, Stream

_VECTORS: Final = pa.list_(pa.float64())
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read_json(body: bytes, stream: Stream, segments: Sequence[str], limits: Limits) -> Batch:
    """The rows of a JSON array of row objects, or of such an array under the key `rows`."""
    try:
        document = _loads(body)
    except ValueError as error:
        raise PayloadError(f"the body is not JSON ({error}): send an array of row objects") from error
    found = (
        f"an object with the keys {sorted(document)[:10]}" if isinstance(document, dict) else type(document).__name__
    )
    if isinstance(document, dict):
        document = document.get("rows")
    if not isinstance(document, list):
        raise PayloadError(
            'needed is a JSON array of row objects, or {"rows": [...]} with such an array, '
            f'found {found}: send [{{"vector": [...]}}, ...]'
        )
    return _read_rows(document, (), stream, segments, limits)


def _loads(text: bytes) -> object:
    """The document in `text`. NaN and Infinity, which some encoders write, are read: such a row is its own fault.

    Raises:
        ValueError: it is not JSON even so, or nested deeper than anything real.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if b"NaN" not in text and b"Infinity" not in text:
            raise
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


def read_ndjson(body: bytes, stream: Stream, segments: Sequence[str], limits: Limits) -> Batch:
    """The rows of a body with one JSON object per line; a line that is no JSON is a fault, a blank one is no row."""
    rows: list[object] = []
    faults = []
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            rows.append(_loads(line))
        except ValueError as error:
            faults.append(RowFault(len(rows), RowReason.MALFORMED, f"the line is not JSON ({error})"))
            rows.append({})
    if rows and len(faults) == len(rows):
        raise PayloadError(
            f"none of the {len(rows)} lines is JSON (the first: {faults[0].detail}): "
            "send one row object per line, or application/json for one document"
        )
    return _read_rows(rows, faults, stream, segments, limits)


def _read_rows(
    rows: Sequence[object], unreadable: Sequence[RowFault], stream: Stream, segments: Sequence[str], limits: Limits
) -> Batch:
    if len(rows) > limits.rows:
        raise PayloadError(f"the batch has {len(rows)} rows, at most {limits.rows} are taken: send smaller batches")
    objects = [row if isinstance(row, dict) else {} for row in rows]
    faults = [
        *unreadable,
        *(
            RowFault(i, RowReason.MALFORMED, f"the row is of the type {type(row).__name__}, needed is an object")
            for i, row in enumerate(rows)
            if not isinstance(row, dict)
        ),
    ]
    columns = {}
    columns[VECTOR], bad = _vector_column([row.get(VECTOR) for row in objects])
    faults += bad
    times, bad = read_times([row.get(TIME) for row in objects])
    columns[TIME] = pa.array(times, pa.timestamp("us", "UTC"), mask=times == NO_TIME)
    faults += bad
    for name in texts_of(segments):
        values = [row.get(name) for row in objects]
        if any(value is not None for value in values):
            columns[name], bad = _text_column(values, name)
            faults += bad
    return read_batches([pa.RecordBatch.from_pydict(columns)], stream, segments, limits=limits, earlier=faults)


def _vector_column(values: Sequence[object]) -> tuple[pa.Array, list[RowFault]]:
    """The vectors as one Arrow column, null where a value is no list of numbers."""
    listed = [value if isinstance(value, list) else None for value in values]
    faults = [
        RowFault(
            i, RowReason.MALFORMED, f"the vector is of the type {type(value).__name__}, needed is an array of numbers"
        )
        for i, value in enumerate(values)
        if value is not None and not isinstance(value, list)
    ]
    try:
        return pa.array(listed, _VECTORS), faults
    except pa.ArrowException:
        # Some row spoils the conversion: find out which, one by one.
        for i, value in enumerate(listed):
            try:
                pa.array([value], _VECTORS)
            except pa.ArrowException as error:
                faults.append(
                    RowFault(i, RowReason.MALFORMED, f"the vector has an element that is no number: {error}"[:200])
                )
                listed[i] = None
        return pa.array(listed, _VECTORS), faults


def _text_column(values: Sequence[object], name: str) -> tuple[pa.Array, list[RowFault]]:
    """A text column; integers and booleans are turned to text."""
    texts: list[str | None] = []
    faults = []
    for row, value in enumerate(values):
        match value:
            case str() if _SURROGATE.search(value):
                texts.append(None)
                detail = f"{name} has half of a surrogate pair, needed is text that UTF-8 can hold"
                faults.append(RowFault(row, RowReason.MALFORMED, detail))
            case None | str():
                texts.append(value)
            case bool():
                texts.append("true" if value else "false")
            case int():
                texts.append(str(value))
            case _:
                texts.append(None)
                detail = f"{name} is of the type {type(value).__name__}, needed is text or an integer"
                faults.append(RowFault(row, RowReason.MALFORMED, detail))
    return pa.array(texts, pa.large_string()), faults
