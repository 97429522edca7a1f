"""Arrow IPC streams from strangers, read without trusting them."""

import struct
from typing import Final

import pyarrow as pa

from collectors.columns import ARROW_ERRORS
from drift.errors import PayloadError

_DICTIONARY_BATCH: Final = 2
_RECORD_BATCH: Final = 3


def record_batches(body: bytes) -> list[pa.RecordBatch]:
    """The record batches of an Arrow IPC stream, at least one; each is still to be validated in full before use.

    Raises:
        PayloadError: it is no such stream, it is cut short, or it has compressed buffers or dictionary deltas.
    """
    buffer = pa.py_buffer(body)
    try:
        _refuse_expanding(buffer)
        with pa.ipc.open_stream(buffer, options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
            _ = reader.schema.names  # raises where one is no UTF-8, which nothing later expects
            # Views of the body: nothing is copied or expanded here.
            return list(reader) or [pa.RecordBatch.from_pylist([], reader.schema)]
    except (*ARROW_ERRORS, struct.error) as error:
        raise PayloadError(
            f"the body cannot be read as an Arrow IPC stream ({error}): write it with pyarrow.ipc.new_stream"
        ) from error


def _refuse_expanding(buffer: pa.Buffer) -> None:
    """Look at the messages without decoding one, and refuse what takes more memory than its body.

    10 kB of zstd can hold 300 MB. A delta makes Arrow copy the dictionary that it adds to, once for each delta.
    """
    for message in pa.ipc.MessageReader.open_stream(buffer):
        compressed, delta = _features(message.metadata.to_pybytes())
        if compressed:
            raise PayloadError(
                "the Arrow stream has compressed buffers, needed are plain ones, whose size is known before they "
                "are read: write it with IpcWriteOptions(compression=None)"
            )
        if delta:
            raise PayloadError(
                "the Arrow stream has dictionary deltas, needed are whole dictionaries: "
                "write it with IpcWriteOptions(emit_dictionary_deltas=False)"
            )


def _features(metadata: bytes) -> tuple[bool, bool]:
    """Whether a message has a compressed body, and whether it is a dictionary delta.

    `metadata` is a flatbuffer (Message.fbs of the Arrow format), which pyarrow has verified but does not show.
    """

    def field(table: int, number: int) -> int:
        """Position of a table's field, 0 where it is absent."""
        vtable = table - struct.unpack_from("<i", metadata, table)[0]
        slot = 4 + 2 * number
        if slot >= struct.unpack_from("<H", metadata, vtable)[0]:
            return 0
        offset: int = struct.unpack_from("<H", metadata, vtable + slot)[0]
        return table + offset if offset else 0

    def table_at(position: int) -> int:
        offset: int = struct.unpack_from("<I", metadata, position)[0]
        return position + offset

    message = table_at(0)
    kind, header = field(message, 1), field(message, 2)
    if not kind or not header or metadata[kind] not in {_DICTIONARY_BATCH, _RECORD_BATCH}:
        return False, False
    batch, delta = table_at(header), False
    if metadata[kind] == _DICTIONARY_BATCH:
        data, flag = field(batch, 1), field(batch, 2)
        if not data:
            return False, False
        batch, delta = table_at(data), bool(flag and metadata[flag])
    return field(batch, 3) != 0, delta
