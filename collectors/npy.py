"""One NumPy array as a batch: vectors and nothing else."""

import math
import re
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collectors.columns import read_batches
from collectors.rows import VECTOR, Batch, Limits
from drift.errors import PayloadError
from drift.records import Stream

MAGIC: Final = b"\x93NUMPY"
_NEEDED: Final = "needed is a 2-d array of floats or whole numbers, one row per embedding: write it with numpy.save"
_HEADER_LIMIT: Final = 10_000
_DESCR: Final = re.compile(rb"""['"]descr['"]\s*:\s*['"]([<>|=])(f[248]|[iu][1248])['"]""")
_FORTRAN: Final = re.compile(rb"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE: Final = re.compile(rb"""['"]shape['"]\s*:\s*\(\s*(\d{1,12})\s*,\s*(\d{1,12})\s*,?\s*\)""")


def read_npy(body: bytes, stream: Stream, segments: Sequence[str], limits: Limits) -> Batch:
    """The rows of a `.npy` body."""
    array = _array(body)
    # To Arrow without a copy, unless the byte order or the order of the axes asks for one.
    flat = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), array.shape[1])
    sent = pa.RecordBatch.from_arrays([vectors], [VECTOR])
    return read_batches([sent], stream, segments, limits=limits)


def _array(body: bytes) -> npt.NDArray[np.floating | np.integer]:
    """The array in `body`, not copied.

    The header is matched, not evaluated as `numpy.load` does, so no body can reach the evaluator or the unpickler.
    """
    header, start = _header(body)
    descr, fortran, shape = _DESCR.search(header), _FORTRAN.search(header), _SHAPE.search(header)
    if not (descr and fortran and shape):
        raise PayloadError(f"{_NEEDED}; found the npy header {header[:120].decode('latin-1').strip()!r}")
    kind = np.dtype(f"{descr[1].decode()}{descr[2].decode()}")
    rows, dim = int(shape[1]), int(shape[2])
    if (needed := math.prod((rows, dim, kind.itemsize))) != (found := len(body) - start):
        raise PayloadError(
            f"an array of {rows} x {dim} {kind} takes {needed} bytes, the body has {found}: it is cut or padded"
        )
    if not dim:
        raise PayloadError(f"{_NEEDED}; found {rows} rows of no elements")
    flat = np.frombuffer(body, kind, count=rows * dim, offset=start)
    return flat.reshape(rows, dim, order="F" if fortran[1] == b"True" else "C")


def _header(body: bytes) -> tuple[bytes, int]:
    """The header's text, and where the data start."""
    if not body.startswith(MAGIC):
        raise PayloadError(f"{_NEEDED}; found a body that starts with {body[:8]!r}")
    try:
        major = body[6]
        length, start = (
            (struct.unpack_from("<H", body, 8)[0], 10) if major == 1 else (struct.unpack_from("<I", body, 8)[0], 12)
        )
    except (struct.error, IndexError) as error:
        raise PayloadError(f"{_NEEDED}; found a body of {len(body)} bytes that ends in its header") from error
    if major not in {1, 2, 3} or length > _HEADER_LIMIT or start + length > len(body):
        raise PayloadError(f"{_NEEDED}; found npy version {major} with a header of {length} bytes in {len(body)} bytes")
    return body[start : start + length], start + length
