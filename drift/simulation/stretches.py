"""Stretches of slots, as the places where they begin and end: what a look-back asks of bad slots, without the others.

Places are whole numbers, of all rows of a fleet on one line; rows are further apart than any look-back within one.
"""

from collections.abc import Sequence
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

    @classmethod
    def union(cls, parts: Sequence["Stretches"]) -> "Stretches":
        """The places that are in any of them."""
        none = np.empty(0, np.int64)
        first = np.concatenate([none, *(part.first for part in parts)])
        last = np.concatenate([none, *(part.last for part in parts)])
        order = np.argsort(first, kind="stable")
        return cls.joined(first[order], np.maximum.accumulate(last[order]))

    def meet(self, others: "Stretches") -> "Stretches":
        """The places that are in both."""
        begin = np.searchsorted(others.last, self.first)
        each = np.maximum(np.searchsorted(others.first, self.last, "right") - begin, 0)
        mine = np.repeat(np.arange(len(each)), each)
        theirs = np.repeat(begin - (np.cumsum(each) - each), each) + np.arange(len(mine))
        first = np.maximum(self.first[mine], others.first[theirs])
        return Stretches(first, np.minimum(self.last[mine], others.last[theirs]))

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
