"""Which rows a sample keeps, by the priorities that they have drawn."""

from typing import Final

import numpy as np
import numpy.typing as npt

OWN_BITS: Final = np.uint64(24)
"""The low bits of a priority are the row's own, the other forty its session's: a row without one stands for itself.
Of a million sessions of which 256 are kept, one is lost to another of the same forty bits once in 4000 windows."""


def lowest(drawn: npt.NDArray[np.uint64], k: int) -> npt.NDArray[np.intp]:
    """Positions of the `k` lowest priorities (or all), lowest first, one for each session.

    Priorities that differ in their last `OWN_BITS` at most are one session's, and the lowest of them stands for it; of
    equals, the first position.
    """
    order = np.argsort(drawn, kind="stable")
    sessions = drawn[order] >> OWN_BITS
    first = np.ones(len(order), np.bool_)
    first[1:] = sessions[1:] != sessions[:-1]
    return order[first][: max(k, 0)]
