"""Where the vectors of a long job lie: in memory, or in a file that the kernel may write out and read in again."""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import final

import numpy as np
import structlog
from jaxtyping import Float32

log = structlog.get_logger()


@final
@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """Room for vectors, which are ordinary to whoever reads them; `mapped` is their file, None for memory.

    The file has no name: it goes when the vectors do.
    """

    vectors: Float32[np.ndarray, "n d"]
    mapped: mmap.mmap | None = None

    @classmethod
    def of(cls, rows: int, dim: int, folder: Path | None, *, held: int) -> "Room":
        """For so many vectors: in memory up to `held` bytes, or without a `folder`, or where that has no space."""
        size = rows * dim * np.dtype(np.float32).itemsize
        if folder is None or size <= held:
            return cls(np.empty((rows, dim), np.float32))
        try:
            with TemporaryFile(dir=folder) as file:
                # Reserved now: a page that the disk has no room for later on would end the process.
                os.posix_fallocate(file.fileno(), 0, size)
                mapped = mmap.mmap(file.fileno(), size)
        except (OSError, AttributeError) as fault:  # AttributeError: not on macOS
            log.warning("vectors kept in memory", folder=str(folder), bytes=size, error=str(fault))
            return cls(np.empty((rows, dim), np.float32))
        return cls(np.frombuffer(mapped, np.float32).reshape(rows, dim), mapped)

    def put(self, start: int, vectors: Float32[np.ndarray, "k d"]) -> None:
        """Set the vectors from `start` on. Those in a file leave this process's memory for the kernel's cache."""
        self.vectors[start : start + len(vectors)] = vectors
        if self.mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)
