"""Request bodies turned into batches, whatever their format."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from collectors.columns import read_batches
from collectors.documents import read_json, read_ndjson
from collectors.ipc import record_batches
from collectors.npy import MAGIC, read_npy
from collectors.rows import DEFAULT_LIMITS, Batch, Limits
from drift.errors import PayloadError, UnknownFormatError
from drift.records import Stream

Parser = Callable[[bytes, Stream, Sequence[str], Limits], Batch]


def read_arrow(body: bytes, stream: Stream, segments: Sequence[str], limits: Limits) -> Batch:
    """The rows of an Arrow IPC stream."""
    return read_batches(record_batches(body), stream, segments, limits=limits)


def read_octets(body: bytes, stream: Stream, segments: Sequence[str], limits: Limits) -> Batch:
    """The rows of a body of no declared format, which must be `.npy`: that names itself in its first bytes."""
    if not body.startswith(MAGIC):
        raise PayloadError(
            "a body of the type application/octet-stream must be a .npy file, "
            f"found one that starts with {body[:8]!r}: name its type, one of {', '.join(PARSERS)}"
        )
    return read_npy(body, stream, segments, limits)


PARSERS: Final[Mapping[str, Parser]] = {
    "application/json": read_json,
    "application/x-ndjson": read_ndjson,
    "application/vnd.apache.arrow.stream": read_arrow,
    "application/x-npy": read_npy,
    "application/octet-stream": read_octets,
}


def parse_body(
    content_type: str, body: bytes, stream: Stream, segments: Sequence[str], *, limits: Limits = DEFAULT_LIMITS
) -> Batch:
    """The rows of a request body that have the right shape; they are still to be screened.

    A row that cannot be used becomes a fault and the others are kept. `segments` are the columns that the stream is
    split by; other columns than those and the schema's are ignored.

    Raises:
        UnknownFormatError: the content type is none of PARSERS.
        PayloadError: the body as a whole cannot be read, or is larger than `limits`.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if (parser := PARSERS.get(kind)) is None:
        raise UnknownFormatError(
            f"the content type {content_type!r} is not known, needed is one of {', '.join(PARSERS)}"
        )
    if len(body) > limits.body:
        raise PayloadError(f"the body has {len(body)} bytes, at most {limits.body} are taken: send smaller batches")
    return parser(body, stream, segments, limits)
