"""Stretches of slots, as the places where they begin and end: what a look-back asks of bad slots, without the others.

Places are whole numbers, of all rows of a fleet on one line; rows are further apart than any look-back within one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches in order, apart from one another: each from `first` to `last`, both included."""

    first: Numbers
    last: Numbers

    @classmethod
    def joined(cls, first: Numbers, last: Numbers) -> "Stretches":
        """The places that are in any of these, which are in order by both ends; those that touch become one."""
        begins = np.append(True, first[1:] > last[:-1] + 1)[: len(first)]
        ends = np.append(begins[1:], True)[: len(first)]
        return cls(first[begins], last[ends])

    @classmethod
    def filled(cls, places: Numbers, length: int, needed: int) -> "Stretches":
        """Where at least `needed` of `places`, in order, lie within the `length` up to there."""
        first, last = places[needed - 1 :], places[: max(len(places) - needed + 1, 0)] + length - 1
        near = last >= first
        return cls.joined(first[near], last[near])

    def meeting(self, others: "Stretches") -> "Stretches":
        """Those that have a place in common with some of `others`."""
        if not len(others.first):
            return Stretches(others.first, others.last)
        at = np.searchsorted(others.first, self.last, "right") - 1
        meets = (at >= 0) & (others.last[at] >= self.first)
        return Stretches(self.first[meets], self.last[meets])

    def places(self) -> Numbers:
        """All places in them, in order."""
        each = self.last - self.first + 1
        before = np.cumsum(each) - each
        return np.repeat(self.first - before, each) + np.arange(int(each.sum()))

    def has(self, places: Numbers) -> Marks:
        """Which of `places` are in one of them."""
        if not len(self.first):
            return np.zeros(len(places), bool)
        at = np.searchsorted(self.first, places, "right") - 1
        return (at >= 0) & (places <= self.last[at])

    def after(self, places: Numbers) -> Numbers:
        """The first place from each of `places` on that is in none of them."""
        if not len(self.first):
            return places
        at = np.searchsorted(self.first, places, "right") - 1
        return np.where((at >= 0) & (places <= self.last[at]), self.last[at] + 1, places)
