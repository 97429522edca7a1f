"""What the colours of rows in a picture say, and how that is told beside it. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float32, Int, UInt8

from dashboard import palette, words
from dashboard.projection import Projection

GROUPS: Final = 6
NONE: Final = "none"
OTHER: Final = "other"
REFERENCE: Final = "reference"
# Seen on light and on dark, and by the colour-blind.
SCALE: Final = (palette.LINE, "#F0E442", palette.BAD)
SIDES: Final = (palette.LINE, palette.GREY, palette.BAD)
COLOURS: Final = (palette.LINE, palette.WARN, palette.GOOD, palette.SHORT, "#56B4E9", "#F0E442", palette.GREY)
NOVEL: Final = (0.5, 1.5)  # from where to where the scale of novelty goes, about what is usual
CLIPPED: Final = 0.99  # of witnesses lie within the scale

Numbers: TypeAlias = Float32[np.ndarray, "n"]
Colours: TypeAlias = UInt8[np.ndarray, "n 3"]


class By(StrEnum):
    """What the colour of a row says."""

    SIDE = "reference or window"
    SEGMENT = "segment"
    TIME = "time"
    NOVELTY = "novelty"
    WITNESS = "witness"


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that can be hidden together, and what they are called in the legend."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Ramp:
    """What the colours of a scale mean, from its least to its greatest."""

    colours: tuple[str, ...]
    low: str
    high: str
    title: str


@dataclass(frozen=True, slots=True, eq=False)
class Colouring:
    """The colour of each row, those of the reference first, and its place in `groups`; with a scale where it has one.

    The first of `groups` is the reference.
    """

    colours: Colours
    group: Int[np.ndarray, "n"]
    groups: tuple[Group, ...]
    ramp: Ramp | None = field(default=None)


def coloured(found: Projection, by: By, now: datetime) -> Colouring:
    """The rows of `found`, coloured."""
    return _WAYS[by](found, now)


def _by_side(found: Projection, _: datetime) -> Colouring:
    return _grouped(found, np.zeros(len(found.window.places), np.int64), (("window", palette.BAD),))


def _by_segment(found: Projection, _: datetime) -> Colouring:
    """The largest segments have a colour each; all others are one."""
    most = [name for name, _ in Counter(found.window.groups).most_common(GROUPS)]
    place = {name: i for i, name in enumerate(most)}
    of = np.array([place.get(name, len(most)) for name in found.window.groups], np.int64)
    entries = [(name or NONE, colour) for name, colour in zip(most, COLOURS, strict=False)]
    return _grouped(found, of, (*entries, *([(OTHER, COLOURS[-1])] if (of == len(most)).any() else [])))


def _by_time(found: Projection, now: datetime) -> Colouring:
    ages = np.array([(now - start).total_seconds() for start in found.window.starts], np.float32)
    oldest, newest = float(ages.max()), float(ages.min())
    places = (oldest - ages[found.window.start]) / (oldest - newest or 1.0)
    first, last = (words.clock(found.window.starts[int(i)], now) for i in (ages.argmax(), ages.argmin()))
    return _scaled(found, places, Ramp(SCALE, first, last, "when the window began"))


def _by_novelty(found: Projection, _: datetime) -> Colouring:
    title = "distance to the reference: in the middle what 99 % of its own rows stay below"
    low, high = NOVEL
    ramp = Ramp(SCALE, f"{low:g} or less", f"{high:g} or more", title)
    return _scaled(found, (found.window.seen.novelty - np.float32(low)) / np.float32(high - low), ramp)


def _by_witness(found: Projection, now: datetime) -> Colouring:
    """Rows of the reference have a colour too: where it has more of them than windows have, something is gone."""
    both = np.concatenate([found.reference.seen.witness, found.window.seen.witness])
    most = float(np.quantile(np.abs(both), CLIPPED)) or 1.0
    ramp = Ramp(SIDES, words.number(-most), words.number(most), "MMD's witness: windows have fewer, or more, rows here")
    plain = _by_side(found, now)
    return Colouring(_mixed(both / np.float32(2 * most) + np.float32(0.5), SIDES), plain.group, plain.groups, ramp)


_WAYS: Final[Mapping[By, Callable[[Projection, datetime], Colouring]]] = {
    By.SIDE: _by_side,
    By.SEGMENT: _by_segment,
    By.TIME: _by_time,
    By.NOVELTY: _by_novelty,
    By.WITNESS: _by_witness,
}


def _grouped(found: Projection, of: Int[np.ndarray, "w"], entries: tuple[tuple[str, str], ...]) -> Colouring:
    group = np.concatenate([np.zeros(len(found.reference.places), np.int64), of + 1])
    counts = np.bincount(group, minlength=len(entries) + 1).tolist()
    named = ((REFERENCE, palette.BAND), *entries)
    groups = tuple(
        Group(f"{name} ({words.count(count)})", colour) for (name, colour), count in zip(named, counts, strict=True)
    )
    return Colouring(np.array([_rgb(each.colour) for each in groups], np.uint8)[group], group, groups)


def _scaled(found: Projection, places: Numbers, ramp: Ramp) -> Colouring:
    """Windows' rows by their place in [0, 1] on a scale, upon a plain reference."""
    plain = _by_side(found, found.window.starts[0])
    plain.colours[len(found.reference.places) :] = _mixed(places, ramp.colours)
    return Colouring(plain.colours, plain.group, plain.groups, ramp)


def _mixed(places: Numbers, stops: tuple[str, ...]) -> Colours:
    at = np.clip(np.nan_to_num(places), 0, 1) * (len(stops) - 1)
    rgb = np.array([_rgb(stop) for stop in stops], np.float64)
    return np.stack([np.interp(at, np.arange(len(stops)), column) for column in rgb.T], 1).astype(np.uint8)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
