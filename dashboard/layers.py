"""What charts are made of: axes, the marks upon them, and the backdrop of all charts over time. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from dashboard import palette, words
from dashboard.series import Moment
from drift.alert import Alert, AlertKind
from drift.records import EPOCH, Gap, Maintenance, Span
from drift.slo import Sli

Numbers: TypeAlias = tuple[float | None, ...]
_KINDS: Final = {AlertKind.PAGE: palette.BAD, AlertKind.NODATA: palette.GREY, AlertKind.INSUFFICIENT: palette.GREY}


class Kind(StrEnum):
    """How numbers lie along an axis; times are milliseconds since the Unix epoch."""

    TIME = "time"
    LINEAR = "linear"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Axis:
    """From `start` to `end`. `form` is "number" or "percent"; `ticks` are named where there are any."""

    kind: Kind
    start: float
    end: float
    title: str = ""
    form: str = "number"
    ticks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line through the points; None in either column is a break."""

    x: Numbers
    y: Numbers
    colour: str
    width: float = 1.5
    dash: tuple[int, ...] = ()
    step: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """What lies between `low` and `high`; None is a break."""

    x: Numbers
    low: Numbers
    high: Numbers
    colour: str
    opacity: float
    step: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """Single points of a `shape` (dot, triangle; none for those that only tell), and what each tells."""

    x: Numbers
    y: Numbers
    shape: str
    colour: str
    size: float
    tips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Upright bars from `low` to `high`, each from `x` to `end`."""

    x: Numbers
    end: Numbers
    low: Numbers
    high: Numbers
    colour: str
    opacity: float
    tips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stretches:
    """Stretches of time over the whole height, of a `kind` that is drawn in its own way: planned, firing, gap."""

    kind: str
    x: Numbers
    end: Numbers
    colours: tuple[str, ...]
    opacity: float
    tips: tuple[str, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments at which something changed, with short names."""

    x: Numbers
    texts: tuple[str, ...]
    colour: str
    tips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """A dashed line right across, named above or below it."""

    y: float
    text: str
    colour: str
    above: bool


Mark: TypeAlias = Line | Area | Points | Bars | Stretches | Moments | Level


@dataclass(frozen=True, slots=True)
class Chart:
    """Marks one upon the other, as wide as the page allows and `height` pixels high; `title` is read out instead of it.

    `heading`, a link where there is `href`, stands above it with a `note`, or with a `key` to its colours: text, colour
    and style of the sample.
    """

    title: str
    height: int
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    heading: str = ""
    href: str = ""
    note: str = ""
    key: tuple[tuple[str, str, str], ...] = ()

    def to_dict(self) -> dict[str, object]:
        """What the browser draws."""
        told = {name: getattr(self, name) for name in ("title", "height", "heading", "href", "note", "key")}
        layers = [{"mark": type(mark).__name__.lower()} | _columns(mark) for mark in self.marks]
        return told | {"x": _axis(self.x), "y": _axis(self.y), "layers": layers}


def over(span: Span) -> Axis:
    """The axis of a stretch of time."""
    return Axis(Kind.TIME, millis(span.start), millis(span.end))


def backdrop(
    span: Span,
    alerts: Sequence[Alert] = (),
    gaps: Sequence[Gap] = (),
    maintenance: Sequence[Maintenance] = (),
    moments: Sequence[Moment] = (),
) -> Iterator[Mark]:
    """What everything else is drawn upon: maintenance, when alerts fired, where nothing could be measured, changes."""
    if planned := [stretch for window in maintenance for stretch in _planned(window, span)]:
        yield _stretches("planned", planned, 0.16)
    if firing := [stretch for alert in alerts for stretch in _episode(alert, span)]:
        yield _stretches("firing", firing, 0.13)
    if holes := [_hole(gap, span) for gap in gaps]:
        texts = tuple(words.REASONS[gap.reason] for gap in gaps)
        yield _stretches("gap", holes, 0.2, texts)
    if seen := [moment for moment in moments if span.contains(moment.at)]:
        tips = tuple(f"{moment.detail}\n{moment.at:%-d %b %Y %H:%M:%S} UTC" for moment in seen)
        at = tuple(millis(moment.at) for moment in seen)
        yield Moments(at, tuple(moment.name for moment in seen), palette.GREY, tips)


def bounds(sli: Sli) -> list[Level]:
    """A line at each bound of what is good, with its number."""
    named = [(sli.at_least, "≥", False), (sli.at_most, "≤", True)]
    return [
        Level(at, f"good {sign} {words.number(at)}", palette.BAD, above) for at, sign, above in named if at is not None
    ]


def millis(at: datetime) -> float:
    """Milliseconds since the Unix epoch, as the charts count time."""
    return round((at - EPOCH) / timedelta(milliseconds=1))


def when(span: Span) -> str:
    """A window in words."""
    end = f"{span.end:%H:%M:%S}" if span.start.date() == span.end.date() else f"{span.end:%-d %b %H:%M:%S}"
    return f"{span.start:%-d %b %Y %H:%M:%S} to {end} UTC"


def rounded(numbers: Sequence[float | None]) -> Numbers:
    """Six digits, which is more than is seen and much shorter on the wire."""
    return tuple(None if number is None else float(f"{number:.6g}") for number in numbers)


_Stretch: TypeAlias = tuple[Span, str, str]


def _stretches(kind: str, found: Sequence[_Stretch], opacity: float, texts: tuple[str, ...] = ()) -> Stretches:
    at, end = (tuple(millis(getattr(span, edge)) for span, *_ in found) for edge in ("start", "end"))
    return Stretches(
        kind, at, end, tuple(colour for _, colour, _ in found), opacity, tuple(t for *_, t in found), texts
    )


def _episode(alert: Alert, span: Span) -> Iterator[_Stretch]:
    if alert.fired_at is None or alert.fired_at >= span.end or (alert.resolved_at or span.end) <= span.start:
        return
    seen = Span(max(alert.fired_at, span.start), min(alert.resolved_at or span.end, span.end))
    rule = f", last by rule {alert.rule}" if alert.rule else ""
    until = "and still fires" if alert.resolved_at is None else f"to {alert.resolved_at:%-d %b %H:%M:%S} UTC"
    tip = f"{words.KINDS[alert.kind]} firing{rule}\n{alert.fired_at:%-d %b %H:%M:%S} {until}"
    yield seen, _KINDS.get(alert.kind, palette.WARN), tip


def _planned(window: Maintenance, span: Span) -> Iterator[_Stretch]:
    for one in window.effective:
        if one.start < span.end and one.end > span.start:
            seen = Span(max(one.start, span.start), min(one.end, span.end))
            yield seen, palette.SHORT, f"maintenance {window.id}: {window.reason} ({window.owner})\n{when(one)}"


def _hole(gap: Gap, span: Span) -> _Stretch:
    start, end = max(gap.span.start, span.start), min(gap.span.end, span.end)
    tip = f"not measured: {words.REASONS[gap.reason]}. {gap.detail}\n{when(gap.span)}"
    return Span(start, max(end, start + timedelta(milliseconds=1))), palette.GREY, tip


def _axis(axis: Axis) -> dict[str, object]:
    told = {"kind": axis.kind.value, "from": axis.start, "to": axis.end}
    return told | {"title": axis.title, "form": axis.form, "ticks": axis.ticks}


def _columns(mark: Mark) -> dict[str, object]:
    return {field.name: getattr(mark, field.name) for field in fields(mark)}
