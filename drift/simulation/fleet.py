"""The alerts of thousands of objectives that promise the same, from arrays of outcomes.

What `simulate` says of one objective slot by slot, this says of all at once. It has no state: an alert of any kind
fires in the first slot that raises it, and from each such slot one can tell when the alert would end if no other
followed; it does end there where none follows before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from drift.alert import CLEARS_AT, AlertKind
from drift.simulation.stretches import Marks, Numbers, Stretches
from drift.slo import INSUFFICIENT_AFTER, NODATA_AFTER, Outcome, Slo, Tier

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
    line = _Bad.of(outcomes)
    rows = _burning(slo, line)
    for found in _burns(slo, line if len(rows) == len(outcomes) else _Bad.of(outcomes[rows])):
        yield Episodes(found.kind, rows[found.objective], found.fired, found.resolved)
    rows = np.flatnonzero(outcomes.max(axis=1) > CODES[Outcome.BAD])  # those with slots that have no verdict
    if len(rows):
        if slo.tells_missing:
            yield _silent(AlertKind.NODATA, Outcome.MISSING, NODATA_AFTER, rows, outcomes[rows])
        yield _silent(AlertKind.INSUFFICIENT, Outcome.INSUFFICIENT, INSUFFICIENT_AFTER, rows, outcomes[rows])


@dataclass(frozen=True, slots=True)
class _Bad:
    """The places of bad slots, and of those without a verdict: few of all, of which everything else follows.

    Row r begins at place 2 r `slots`. What lies between rows counts as good, and is never told of.
    """

    bad: Numbers
    silent: Numbers
    slots: int

    @classmethod
    def of(cls, outcomes: npt.NDArray[np.uint8]) -> "_Bad":
        slots, flat = outcomes.shape[1], outcomes.reshape(-1)
        found = np.flatnonzero(flat > CODES[Outcome.GOOD])
        code, place = flat[found], found + found // slots * slots
        return cls(place[code == CODES[Outcome.BAD]], place[code > CODES[Outcome.BAD]], slots)

    def full(self, length: int, needed: int) -> Stretches:
        """Where at least `needed` slots of the last `length` are bad."""
        found = Stretches.filled(self.bad, min(length, self.slots), needed)
        ends = found.first // (2 * self.slots) * (2 * self.slots) + self.slots - 1
        return Stretches(found.first, np.minimum(found.last, ends))

    def told(self, found: Stretches) -> Stretches:
        """Those of their slots that have a verdict, by the numbers of these."""
        first, last = self.verdicts(found.first), self.verdicts(found.last + 1) - 1
        some = last >= first
        return Stretches.joined(first[some], last[some])

    def within(self, length: int, places: Numbers) -> Numbers:
        """How many of the `length` slots up to each place are bad."""
        before = places - min(length, self.slots)
        return np.searchsorted(self.bad, places, "right") - np.searchsorted(self.bad, before, "right")

    def verdicts(self, places: Numbers) -> Numbers:
        """How many slots before each place have a verdict: the number of the first that does from there on."""
        return places - np.searchsorted(self.silent, places) if len(self.silent) else places

    def place(self, verdicts: Numbers) -> Numbers:
        """Where the slot with that number is."""
        if not len(self.silent):
            return verdicts
        return verdicts + np.searchsorted(self.silent - np.arange(len(self.silent)), verdicts, "right")

    def episodes(self, kind: AlertKind, on: Numbers, ends: Numbers) -> Episodes:
        """Alerts that begin with, or go on in, the verdicts `on`; each ends at `ends` if none goes on before."""
        places = (self.place(on), self.place(ends))
        return _alerts(kind, on, ends, places=places, width=2 * self.slots, slots=self.slots)


def _burning(slo: Slo, line: _Bad) -> Numbers:
    """The rows in which some tier may be true, or the budget gone: far fewer than all."""
    asked = [(tier.slots_long, tier.bad_long) for tier in slo.tiers] + [_gone(slo)]
    return np.unique(np.concatenate([line.full(*one).first // (2 * line.slots) for one in asked]))


def _gone(slo: Slo) -> tuple[int, int]:
    """Slots of a period, and how many of them are bad when the budget is gone."""
    return slo.period // slo.interval, -int(-_allowed(slo) // 1)


def _allowed(slo: Slo) -> Fraction:
    return slo.budget * Fraction(slo.period // _MICRO, slo.interval // _MICRO)


def _burns(slo: Slo, line: _Bad) -> Iterator[Episodes]:
    if not len(line.bad):
        return
    numbers = line.verdicts(line.bad)
    unsettled = Stretches.joined(numbers, numbers + 1)  # an alert ends with two good verdicts
    for kind in (AlertKind.PAGE, AlertKind.TICKET):
        true = [(t, line.told(_true(slo, t, line))) for t in slo.tiers if t.rule.severity is kind.severity]
        some = Stretches.union([found for _, found in true])
        hold = np.zeros(len(some.last), np.int64)
        for tier, found in true:
            hold = np.maximum(hold, tier.slots_short * found.has(some.last))
        yield line.episodes(kind, some.first, unsettled.after(some.last + hold))
    gone = line.told(line.full(*_gone(slo)))
    short = line.told(line.full(slo.period // slo.interval, int(_allowed(slo) * (1 - CLEARS_AT)) + 1))
    yield line.episodes(AlertKind.EXHAUSTED, gone.first, short.after(gone.first + 1))


def _true(slo: Slo, tier: Tier, line: _Bad) -> Stretches:
    """The slots at whose end `tier` is true, if they have a verdict."""
    both = line.full(tier.slots_long, tier.bad_long).meet(line.full(tier.slots_short, tier.bad_short))
    horizon = tier.rule.horizon
    if horizon is None or tier.threshold * (horizon // _MICRO) >= slo.period // _MICRO:  # at once, whatever is left
        return both
    places = both.places()
    # left * period / burn <= horizon, times all that is divided by: whole numbers on both sides.
    period, limit, slots = slo.period // _MICRO, horizon // _MICRO, tier.slots_long
    n, d, each = slo.budget.numerator, slo.budget.denominator, slo.interval // _MICRO
    common = gcd(period, limit, each)
    spent = line.within(slo.period // slo.interval, places)
    left = (period // common * n - spent * (d * each // common)) * slots
    soon = places[left <= limit // common * d * line.within(slots, places)]
    return Stretches.joined(soon, soon)


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

    def numbers(self, values: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
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
        end_place = np.append(self.place, -1)[ends]
        places = (self.place[on], end_place)
        found = _alerts(kind, on, ends, places=places, width=self.width, slots=self.width)
        return Episodes(kind, rows[found.objective], found.fired, found.resolved)


def _alerts(
    kind: AlertKind, on: Numbers, ends: Numbers, *, places: tuple[Numbers, Numbers], width: int, slots: int
) -> Episodes:
    """Alerts of slots in order: one ends at `ends`, if that is in its row and before the next that keeps it up.

    Both count slots with a verdict; `places` are where they are. A row has `width` places, of which `slots` are real.
    """
    if not len(on):
        return Episodes(kind, on, on, on)
    row, end_row = places[0] // width, places[1] // width
    inside = (end_row == row) & (places[1] % width < slots)
    follows = np.append(row[1:] == row[:-1], False)
    ended = inside & (~follows | (ends < np.append(on[1:], 0)))
    begins = np.append(True, (ended | ~follows)[:-1])
    last = np.append(begins[1:], True)  # of each episode
    resolved = np.where(ended[last], places[1][last] % width, -1)
    return Episodes(kind, row[begins], places[0][begins] % width, resolved)
