"""The alerts of thousands of objectives that promise the same, from arrays of outcomes.

What `simulate` says of one objective slot by slot, this says of all at once. It has no state: an alert of any kind
fires in the first slot that raises it, and from each such slot one can tell when the alert would end if no other
followed; it does end there where none follows before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import cache
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from drift.alert import CLEARS_AT, AlertKind
from drift.slo import INSUFFICIENT_AFTER, NODATA_AFTER, Outcome, Slo, Tier

Numbers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]
Counted = npt.NDArray[np.int16] | npt.NDArray[np.int32]
Within = Callable[[int], Counted]
CODES: Final = {outcome: code for code, outcome in enumerate(Outcome)}
"""Outcomes as numbers in arrays."""
_MICRO: Final = timedelta(microseconds=1)
_AT_ONCE: Final = 256  # objectives: some megabytes, that stay in a processor's cache


@dataclass(frozen=True, slots=True)
class Episodes:
    """When alerts of one kind fired and resolved: one entry for each alert, by objective and time.

    `objective` is a row of the outcomes; `fired` and `resolved` are slots, at whose end it happened, -1 where it fires
    on.
    """

    kind: AlertKind
    objective: Numbers
    fired: Numbers
    resolved: Numbers


def episodes(slo: Slo, outcomes: npt.NDArray[np.uint8]) -> list[Episodes]:
    """The alerts of objectives that promise what `slo` does, in order of kind.

    `outcomes` has shape (objectives, slots), of `CODES`; before them all was good.
    """
    found: dict[AlertKind, list[Episodes]] = {kind: [] for kind in AlertKind}
    for first in range(0, len(outcomes), _AT_ONCE):
        for part in _of_chunk(slo, outcomes[first : first + _AT_ONCE]):
            moved = Episodes(part.kind, part.objective + first, part.fired, part.resolved)
            found[part.kind].append(moved)
    return [_joined(kind, parts) for kind, parts in found.items()]


def _joined(kind: AlertKind, parts: list[Episodes]) -> Episodes:
    empty = np.empty(0, np.int64)
    columns = ([part.objective for part in parts], [part.fired for part in parts], [part.resolved for part in parts])
    return Episodes(kind, *(np.concatenate([empty, *column]) for column in columns))


def _of_chunk(slo: Slo, outcomes: npt.NDArray[np.uint8]) -> Iterator[Episodes]:
    bad = outcomes == CODES[Outcome.BAD]
    if len(rows := _burning(slo, bad)):
        yield from _burns(slo, rows, outcomes[rows], _Counts.of(bad[rows]))
    rows = np.flatnonzero(outcomes.max(axis=1) > CODES[Outcome.BAD])  # those with slots that have no verdict
    if len(rows):
        yield _silent(AlertKind.NODATA, Outcome.MISSING, NODATA_AFTER, rows, outcomes[rows])
        yield _silent(AlertKind.INSUFFICIENT, Outcome.INSUFFICIENT, INSUFFICIENT_AFTER, rows, outcomes[rows])


def _burning(slo: Slo, bad: Marks) -> Numbers:
    """The rows in which some tier may be true, or the budget gone: far fewer than all, and found from bad slots alone.

    A look-back that ends in the i-th bad slot has k of them where the (k - 1)-th before it lies within.
    """
    slots, place = bad.shape[1], np.flatnonzero(bad)
    row = place // slots
    place += row * slots  # rows are further apart than any look-back within one
    may = np.zeros(len(bad), bool)
    for tier in slo.tiers:
        last = np.ones(len(place), bool)
        for length, needed in ((tier.slots_long, tier.bad_long), (tier.slots_short, tier.bad_short)):
            near = np.zeros(len(place), bool)
            span = min(length, slots)
            near[needed - 1 :] = place[needed - 1 :] - place[: max(len(place) - needed + 1, 0)] < span
            last &= near
        may[row[last]] = True
    allowed = slo.budget * Fraction(slo.period / slo.interval)
    may[np.bincount(row, minlength=len(bad)) >= float(allowed) - 1] = True
    return np.flatnonzero(may)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Bad slots before each slot, of each row: `before` has one column more than there are slots."""

    before: Counted

    @classmethod
    def of(cls, bad: Marks) -> "_Counts":
        rows, slots = bad.shape
        # Most of the time goes into moving these, so they are as small as they can be.
        small, large = np.dtype(np.int16), np.dtype(np.int32)
        before = np.zeros((rows, slots + 1), small if slots < 2**15 else large)
        np.cumsum(bad, axis=1, out=before[:, 1:])
        return cls(before)

    def within(self, length: int) -> Counted:
        """How many of the `length` slots up to each are bad."""
        found = self.before[:, 1:]
        if length >= found.shape[1]:
            return found
        return np.concatenate([found[:, :length], found[:, length:] - self.before[:, 1:-length]], axis=1)


def _burns(slo: Slo, rows: Numbers, outcomes: npt.NDArray[np.uint8], counts: _Counts) -> Iterator[Episodes]:
    good, bad = (outcomes == CODES[outcome] for outcome in (Outcome.GOOD, Outcome.BAD))
    line, within = _Line.of(good | bad), cache(counts.within)  # rules share look-backs
    pair = line.marks(good).copy()
    pair[1:] &= pair[:-1]
    pair[line.first] = False
    for kind in (AlertKind.PAGE, AlertKind.TICKET):
        hold = np.zeros(outcomes.shape, np.int32)
        for tier in slo.tiers:
            if tier.rule.severity is kind.severity:
                np.maximum(hold, tier.slots_short, out=hold, where=_true(slo, tier, within))
        holds = line.numbers(hold)
        on = np.flatnonzero(holds)
        yield line.episodes(kind, rows, on, line.next(pair, on + holds[on]))
    allowed = slo.budget * Fraction(slo.period // _MICRO, slo.interval // _MICRO)
    spent = within(slo.period // slo.interval)
    on = np.flatnonzero(line.marks(spent >= -int(-allowed // 1)))
    if len(on):
        clears = line.marks(spent <= int(allowed * (1 - CLEARS_AT)))
        yield line.episodes(AlertKind.EXHAUSTED, rows, on, line.next(clears, on + 1))


def _true(slo: Slo, tier: Tier, within: Within) -> Marks:
    long = within(tier.slots_long)
    true: Marks = (long >= tier.bad_long) & (within(tier.slots_short) >= tier.bad_short)
    horizon = tier.rule.horizon
    if horizon is not None and true.any():
        # left * period / burn <= horizon, times all that is divided by: whole numbers on both sides.
        period, limit, slots = slo.period // _MICRO, horizon // _MICRO, tier.slots_long
        n, d, each = slo.budget.numerator, slo.budget.denominator, slo.interval // _MICRO
        common = gcd(period, limit, each)
        spent = within(slo.period // slo.interval)[true].astype(np.int64)
        left = (period // common * n - spent * (d * each // common)) * slots
        true[true] = left <= limit // common * d * long[true].astype(np.int64)
    return true


def _silent(kind: AlertKind, outcome: Outcome, after: int, rows: Numbers, outcomes: npt.NDArray[np.uint8]) -> Episodes:
    """Alerts after so many slots in a row without data, or without enough: planned maintenance does not count."""
    line = _Line.of(outcomes != CODES[Outcome.EXCLUDED])
    codes = line.numbers(outcomes)
    verdict = (codes == CODES[Outcome.GOOD]) | (codes == CODES[Outcome.BAD])
    ends = verdict | (codes == CODES[Outcome.INSUFFICIENT]) if kind is AlertKind.NODATA else verdict
    place = np.arange(len(codes))
    breaks = np.where(codes == CODES[outcome], -1, place)
    breaks[line.first] = np.maximum(breaks[line.first], line.first - 1)
    on = np.flatnonzero((codes == CODES[outcome]) & (place - np.maximum.accumulate(breaks) >= after))
    return line.episodes(kind, rows, on, line.next(ends, on + 1))


@dataclass(frozen=True, slots=True)
class _Line:
    """The slots that count, of all rows one after another: `place` in the flat array, and where each row begins."""

    place: Numbers
    first: Numbers
    width: int

    @classmethod
    def of(cls, counts: Marks) -> "_Line":
        each = counts.sum(axis=1)
        first = np.cumsum(each) - each
        return cls(np.flatnonzero(counts), first[each > 0], counts.shape[1])

    def marks(self, values: Marks) -> Marks:
        """Those of these slots."""
        flat = values.reshape(-1)
        return flat if len(flat) == len(self.place) else flat[self.place]

    def numbers(self, values: npt.NDArray[np.int32] | npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        """Those of these slots."""
        flat = values.reshape(-1)
        return (flat if len(flat) == len(self.place) else flat[self.place]).astype(np.int32)

    def next(self, marks: Marks, start: Numbers) -> Numbers:
        """For each place in `start` the first that is marked from there on; the line's length where there is none."""
        count = len(self.place)
        at = np.full(count + 1, count, np.int32)
        np.copyto(at[:-1], np.arange(count, dtype=np.int32), where=marks)
        return np.minimum.accumulate(at[::-1])[::-1][np.minimum(start, count)].astype(np.int64)

    def episodes(self, kind: AlertKind, rows: Numbers, on: Numbers, ends: Numbers) -> Episodes:
        """Alerts that each of `on` raises, or keeps up, and that end at `ends` if no other keeps them up."""
        if not len(on):
            return Episodes(kind, on, on, on)
        row = self.place[on] // self.width
        inside = (ends < len(self.place)) & (self.place[np.minimum(ends, len(self.place) - 1)] // self.width == row)
        follows = np.append(row[1:] == row[:-1], False)
        ended = inside & (~follows | (ends < np.append(on[1:], 0)))
        begins = np.append(True, (ended | ~follows)[:-1])
        last = np.append(begins[1:], True)  # of each episode
        fired, resolved = self.place[on[begins]] % self.width, np.full(int(last.sum()), -1)
        closed = ended[last]
        resolved[closed] = self.place[ends[last][closed]] % self.width
        return Episodes(kind, rows[row[begins]], fired, resolved)
