"""Sums of windows, which add up: what many windows show together."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


def merged_name(detector: str, windows: int) -> str:
    """What the measurements of `detector` over that many merged windows are called."""
    return f"{detector}_x{windows}"


def parse_name(name: str) -> tuple[str, int]:
    """The detector whose measurements are called `name`, and of how many windows they are."""
    detector, _, windows = name.rpartition("_x")
    return (detector, int(windows)) if detector and windows.isdecimal() else (name, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """How many rows a window, or several, had, and the sum of their vectors less the centre of the reference.

    `reference` is its version.
    """

    reference: str
    rows: int
    sums: Float64[np.ndarray, "d"]

    def merged(self, other: "Sketch") -> "Sketch":
        """The sketch of the rows of both.

        Raises:
            ValueError: they are held against different references, so that their sums have different origins.
        """
        if other.reference != self.reference:
            raise ValueError(f"sketches against {self.reference!r} and {other.reference!r} do not add up")
        return Sketch(self.reference, self.rows + other.rows, self.sums + other.sums)
