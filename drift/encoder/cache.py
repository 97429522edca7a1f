"""Vectors kept by what decides them: an input that was encoded once costs microseconds the second time."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias, final

import numpy as np
from jaxtyping import Float32

from drift.encoder.base import Encoder
from drift.encoder.meter import Meter
from drift.encoder.room import Room
from drift.encoder.shelf import Shelf
from drift.errors import UnreadableInputsError

if TYPE_CHECKING:
    from drift.encoder.gpu import Gpu

PIECE: Final = 2048
"""Inputs that are encoded before they are kept: what a kill loses at most. An encoder sorts so many by length."""

HELD: Final = 256 << 20
"""Bytes of a result that are held in memory: of 384 dimensions 170,000 vectors."""

Row = Float32[np.ndarray, "d"]
Progress: TypeAlias = Callable[[range], Iterable[int]]
"""Gives back where each piece of a long job starts, and shows meanwhile how far it is."""


@final
class CachedEncoder:
    """An encoder that remembers its vectors, bit for bit, by fingerprint and input. Safe to share between threads.

    Memory holds the `capacity` rows used last. With `path`, a file holds the `shelved` rows written last; it survives
    restarts and is shared by processes. A file that fails later on is logged and given up; encoding goes on.

    A job of any length is encoded in pieces, each in the file before the next: killed, it goes on from there when it is
    asked for again. Memory takes a piece, and a result of up to `held` bytes; a longer one lies in a nameless file
    beside `path`, to be read like any other. `progress` goes along with jobs of several pieces, `meter`
    counts what was encoded.

    `encoder` is the one itself, for those who must know what it gives today.
    """

    __slots__ = (
        "_folder",
        "_lock",
        "_rows",
        "_shelf",
        "capacity",
        "dim",
        "encoder",
        "fingerprint",
        "held",
        "meter",
        "progress",
    )

    def __init__(
        self,
        encoder: Encoder,
        path: Path | None = None,
        *,
        capacity: int = 20_000,
        shelved: int = 1_500_000,
        held: int = HELD,
        progress: Progress | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.encoder = encoder
        self._rows: OrderedDict[bytes, Row] = OrderedDict()
        self._lock = Lock()
        self._shelf = Shelf(path, shelved) if path is not None else None
        self._folder = path.parent if path is not None else None
        self.capacity = capacity
        self.held = held
        self.progress = progress
        self.meter = meter or Meter()
        self.dim = encoder.dim
        self.fingerprint = encoder.fingerprint

    @property
    def described(self) -> Mapping[str, str]:
        """What the fingerprint names, part by part, in words."""
        return self.encoder.described

    def encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per input, in the order given; the encoder sees each unknown input of a piece once.

        Raises:
            UnreadableInputsError: some are not what the encoder takes; the other pieces are remembered all the same.
        """
        room = Room.of(len(inputs), self.dim, self._folder, held=self.held)
        starts = range(0, len(inputs), PIECE)
        faults: dict[int, str] = {}
        for start in starts if self.progress is None or len(starts) < 2 else self.progress(starts):
            try:
                room.put(start, self._encode(inputs[start : start + PIECE]))
            except UnreadableInputsError as error:
                faults |= {start + at: why for at, why in error.faults.items()}
        if faults:
            raise UnreadableInputsError(faults, len(inputs))
        return room.vectors

    def _encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        keys = [self._key(text) for text in inputs]
        found = self._recall(keys)
        # By key, so that an input that occurs twice is encoded once.
        unknown = {key: text for key, text in zip(keys, inputs, strict=True) if key not in found}
        if unknown:
            with self.meter.encoding(len(unknown)):
                try:
                    rows = np.ascontiguousarray(self.encoder.encode(list(unknown.values())), np.float32)
                except UnreadableInputsError as error:
                    raise _of_all(error, list(unknown), keys) from error
            if (gpu := self._gpu) is not None:
                self.meter.look(gpu)
            fresh = dict(zip(unknown, rows, strict=True))
            found |= fresh
            self._keep(fresh)
            if self._shelf is not None:
                self._shelf.put({key: row.tobytes() for key, row in fresh.items()})
        return np.stack([found[key] for key in keys])

    @property
    def gpu_memory(self) -> int:
        """Bytes of GPU memory that this process has held at most, where the encoder runs on one; else 0."""
        return 0 if (gpu := self._gpu) is None else gpu.memory

    @property
    def _gpu(self) -> "Gpu | None":
        found: Gpu | None = getattr(self.encoder, "gpu", None)
        return found

    def close(self) -> None:
        """Let go of the file. What was encoded is in it already."""
        if self._shelf is not None:
            self._shelf.close()

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.fingerprint}\0{text}".encode("utf-8", "surrogatepass")).digest()

    def _recall(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """The rows known already, from memory or else from the file."""
        found: dict[bytes, Row] = {}
        with self._lock:
            for key in keys:
                if (row := self._rows.get(key)) is not None:
                    found[key] = row
                    self._rows.move_to_end(key)
        if self._shelf is None or len(found) == len(keys):
            return found
        kept = self._shelf.get([key for key in dict.fromkeys(keys) if key not in found])
        # A row of another length is not ours to read; encoding it again is always right.
        shelved = {key: np.frombuffer(row, "<f4") for key, row in kept.items() if len(row) == 4 * self.dim}
        self._keep(shelved)
        return found | shelved

    def _keep(self, rows: dict[bytes, Row]) -> None:
        with self._lock:
            # Copied: a view would keep the whole batch that it was cut from.
            self._rows.update((key, row.copy()) for key, row in rows.items())
            while len(self._rows) > self.capacity:
                self._rows.popitem(last=False)


def _of_all(error: UnreadableInputsError, unknown: Sequence[bytes], keys: Sequence[bytes]) -> UnreadableInputsError:
    """The same faults, at the places of all inputs in place of those that were still unknown."""
    faults = {unknown[at]: why for at, why in error.faults.items()}
    return UnreadableInputsError({at: faults[key] for at, key in enumerate(keys) if key in faults}, len(keys))
