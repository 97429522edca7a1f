"""Pictures of references in the plane: fitted once by a process of its own, then windows are placed in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import structlog
from jaxtyping import Float32

from drift.errors import DriftError
from drift.picture import NEIGHBOURS, Fitted
from drift.pipeline.gates import GoOn
from drift.records import Reference
from drift.store import golden, pictures
from drift.store.connect import Connection, Engine
from drift.store.pictures import MOST_FITTED, Picture, Places

log = structlog.get_logger()
LEAST_FITTED: Final = 3 * NEIGHBOURS
AT_ONCE: Final = 64
"""Windows that are placed in one transaction: a few seconds."""

Paint = Callable[[Float32[np.ndarray, "n d"], GoOn], Places]


@dataclass(frozen=True, slots=True)
class Painter:
    """How a picture is fitted: `paint` takes a reference's rows, and raises what `go_on` raises to stop it.

    `missing` says what must be installed before it can; "" where nothing must.
    """

    method: str
    paint: Paint
    missing: str = ""


def paint_one(
    engine: Engine, references: Mapping[str, Reference], painter: Painter, go_on: GoOn, clock: Callable[[], datetime]
) -> Picture | None:
    """Fit a picture to one of `references`, by keys of streams, that has none; None where none is left to be fitted.

    It may take minutes, in which no transaction is open. Where it is stopped nothing is kept. What fails is kept with
    its reason, and counts as none.
    """
    versions = {key: reference.version for key, reference in references.items()}
    with pictures.claimed(engine, versions) as key:
        if key is None:
            return None
        picture = _painted(key, references[key], painter, go_on, clock)
        with engine.begin() as conn:
            pictures.keep(conn, picture)
    return picture


def _painted(key: str, reference: Reference, painter: Painter, go_on: GoOn, clock: Callable[[], datetime]) -> Picture:
    began = clock()
    rows = reference.vectors[:MOST_FITTED]
    places, fault = np.zeros((0, 2), np.float32), painter.missing
    if len(rows) < LEAST_FITTED:
        fault = f"{painter.method} needs a reference of {LEAST_FITTED} rows, {reference} has {len(rows)}"
    if not fault:
        try:
            places = painter.paint(rows, go_on)
        except DriftError as error:
            fault = str(error)
            log.warning("picture not fitted", stream=key, error=fault)
    now = clock()
    return Picture(key, reference.version, painter.method, now, (now - began).total_seconds(), places, fault)


def place_some(conn: Connection, stream: str, reference: Reference) -> int:
    """Place the newest windows of `stream` that have no places, `AT_ONCE` at most; return how many were placed.

    0 also where the reference has no picture, or another process is at it.
    """
    starts = pictures.unplaced(conn, stream, reference.version, limit=AT_ONCE)
    if not starts or not pictures.lock(conn, stream):
        return 0
    picture = pictures.find(conn, stream, reference.version)
    if picture is None or not picture.is_fitted:
        return 0
    fitted = Fitted.of(reference.vectors, picture.places)
    for start in starts:
        vectors = golden.rows_of(conn, stream, start).vectors
        if vectors.shape[1] == reference.vectors.shape[1]:
            places = fitted.place(vectors)
        else:
            places = np.full((len(vectors), 2), np.nan, np.float32)  # of another model: not looked at again
        pictures.place(conn, stream, reference.version, start, places)
    return len(starts)
