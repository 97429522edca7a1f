"""Pictures are fitted by a process of their own: it compiles for a minute, and its memory would never come back."""

import importlib.util
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32

from drift.errors import DriftError
from drift.pipeline.gates import GoOn
from drift.pipeline.pictures import Painter
from drift.wiring.processes import run_to_end

METHOD: Final = "UMAP"
NEEDED: Final = "umap"
MISSING: Final = (
    "umap-learn is not installed where the service runs; `pip install 'drift[umap]'` there, and start it anew"
)
LONGEST_SECONDS: Final = 7200.0
"""A minute or two where the machine has nothing else to do; at the lowest priority, on a busy one, much more."""


def build_painter() -> Painter:
    """Who fits pictures; without the extra one that says what is missing."""
    return Painter(METHOD, PictureChild(), "" if importlib.util.find_spec(NEEDED) else MISSING)


@dataclass(frozen=True, slots=True)
class PictureChild:
    """Fits a picture to rows: `drift.wiring.picture_fit` on two files."""

    command: tuple[str, ...] = (sys.executable, "-m", "drift.wiring.picture_fit")
    most_seconds: float = LONGEST_SECONDS

    def __call__(self, rows: Float32[np.ndarray, "n d"], go_on: GoOn) -> Float32[np.ndarray, "n 2"]:
        """The places of `rows`; `go_on` is asked all the while, and what it raises ends the process.

        Raises:
            DriftError: it has failed, or not ended in time.
        """
        with tempfile.TemporaryDirectory(prefix="drift-picture-") as folder:
            given, made = Path(folder) / "rows.npy", Path(folder) / "places.npy"
            np.save(given, rows)
            words = [*self.command, str(given), str(made)]
            done = run_to_end("fitting it", words, Path(folder), go_on, most_seconds=self.most_seconds)
            if done.status:
                said = done.error.strip().splitlines() or [f"fitting it ended with status {done.status}"]
                raise DriftError(said[-1])
            places: Float32[np.ndarray, "n 2"] = np.load(made, allow_pickle=False).astype(np.float32)
        if places.shape != (len(rows), 2) or not np.isfinite(places).all():
            raise DriftError(f"fitting it gave no place to some of {len(rows)} rows")
        return places
