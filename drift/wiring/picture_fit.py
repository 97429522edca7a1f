"""`python -m drift.wiring.picture_fit ROWS PLACES` fits a picture to the rows of one .npy file and writes another.

It asks for as little of the machine as it can: the lowest priority, and one thread.
"""

import os
import sys
from pathlib import Path
from typing import Final

SEED: Final = 0
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def fit(given: Path, made: Path) -> None:
    """Always the same places for the same rows."""
    # Not before the number of threads is set: these read it when they are imported.
    import numpy as np  # noqa: PLC0415
    from umap import UMAP  # noqa: PLC0415

    from drift.picture import NEIGHBOURS  # noqa: PLC0415

    rows = np.load(given, allow_pickle=False)
    model = UMAP(n_neighbors=min(NEIGHBOURS, len(rows) - 1), random_state=SEED, n_jobs=1)
    np.save(made, model.fit_transform(rows))


if __name__ == "__main__":
    os.nice(19)
    os.environ |= dict.fromkeys(THREADS, "1")
    fit(*map(Path, sys.argv[1:]))
