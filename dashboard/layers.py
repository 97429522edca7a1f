"""What the charts are layered from: the time axis, the backdrop, the dots and the bounds. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import altair as alt
import pyarrow as pa

from dashboard import palette, words
from drift.alert import Alert, AlertKind
from drift.records import EPOCH, Gap, Maintenance, Span
from drift.slo import Sli

Row: TypeAlias = dict[str, str | float | None]

TIPS: Final = [alt.Tooltip("tip:N", title="is"), alt.Tooltip("when:N", title="when")]
# Channels are objects, since Altair takes tens of milliseconds to find out what a text means.
AT: Final = alt.X("at:T")
UNTIL: Final = alt.X2("end:T")
_MIDDLE: Final = alt.X("middle:T")
_MARGIN: Final = 48
_KINDS: Final = {AlertKind.PAGE: palette.BAD, AlertKind.NODATA: palette.GREY, AlertKind.INSUFFICIENT: palette.GREY}


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Layers one upon the other, as wide as the page allows and `height` pixels high.

    It is no LayerChart of Altair's, which copies and validates each layer several times: a tenth of a second a chart.
    """

    layers: tuple[alt.Chart, ...]
    height: int

    def to_dict(self) -> dict[str, object]:
        """What Vega-Lite takes, with the rows of all layers in `datasets`, by name, as Arrow; each is there once."""
        names: dict[bytes, str] = {}
        layers = []
        for layer in self.layers:
            rows = names.setdefault(_arrow(layer.data), f"rows{len(names)}")
            named: alt.Chart = layer.properties(data=alt.NamedData(rows))
            layers.append(named.to_dict(validate=False, context={"top_level": False}))
        datasets = {name: data for data, name in names.items()}
        return {"layer": layers, "height": self.height, "width": "container", "datasets": datasets}


@dataclass(frozen=True, slots=True)
class Frame:
    """What all layers of a chart share: the stretch of time, the height in pixels, and the vertical axis."""

    span: Span
    height: int
    title: str
    scale: alt.Scale
    form: str = ".4~g"
    ticks: tuple[float, ...] = ()

    def layered(self, *layers: alt.Chart) -> Chart:
        """The chart of these layers.

        An invisible layer carries the time axis for all: repeated in each, its bounds would be merged, not shared.
        """
        edges: list[Row] = [{"at": millis(self.span.start)}, {"at": millis(self.span.end)}]
        axis = over(edges).mark_point(opacity=0).encode(x=self._x())
        return Chart((axis, *layers), self.height)

    def _x(self) -> alt.X:
        form = "%H:%M:%S" if self.span.length < timedelta(minutes=10) else "%H:%M"
        form = form if self.span.length <= timedelta(days=2) else "%-d %b"
        scale = alt.Scale(type="utc", domain=[_moment(self.span.start), _moment(self.span.end)])
        axis = alt.Axis(format=form, tickCount=8, title=None, grid=False, labelOverlap=True)
        return alt.X("at:T", scale=scale, axis=axis)

    def y(self, field: str) -> alt.Y:
        """The vertical axis; its labels have the same width on all charts, so that the time axes agree."""
        shown = alt.Undefined if not self.ticks else list(self.ticks)
        axis = alt.Axis(minExtent=_MARGIN, maxExtent=_MARGIN, titlePadding=2, format=self.form, values=shown)
        return alt.Y(f"{field}:Q", title=self.title, scale=self.scale, axis=axis)


def over(rows: Sequence[Row]) -> alt.Chart:
    """A chart of `rows`, without a mark yet."""
    return alt.Chart(pa.Table.from_pylist(list(rows)))


def _arrow(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def backdrop(
    frame: Frame, alerts: Sequence[Alert], gaps: Sequence[Gap], maintenance: Sequence[Maintenance] = ()
) -> Iterator[alt.Chart]:
    """What everything else is drawn upon: maintenance, when alerts fired, and where nothing could be measured."""
    if planned := [row for window in maintenance for row in _planned(window, frame.span)]:
        stretches = over(planned).encode(x=AT, x2=UNTIL, tooltip=TIPS)
        yield stretches.mark_rect(color=palette.SHORT, opacity=0.16)
        # A bar above all of it, so that it is told from alerts without its colour.
        yield stretches.mark_rect(color=palette.SHORT, opacity=0.9).encode(y=alt.value(0), y2=alt.value(4))
    if episodes := [row for alert in alerts for row in _episode(alert, frame.span)]:
        shaded = over(episodes).encode(x=AT, color=alt.Color("colour:N", scale=None), tooltip=TIPS)
        yield shaded.mark_rect(opacity=0.13).encode(x2=UNTIL)
        yield shaded.mark_rule(strokeWidth=1.5)
    if not (holes := [_hole(gap, frame.span) for gap in gaps]):
        return
    where = over(holes).encode(tooltip=TIPS)
    yield where.mark_rect(color=palette.GREY, opacity=0.2).encode(x=AT, x2=UNTIL)
    crosses = where.mark_point(shape="cross", angle=45, color=palette.GREY, filled=True, size=45, opacity=1)
    yield crosses.encode(x=_MIDDLE, y=_above_floor(8))
    if wide := [row for row, gap in zip(holes, gaps, strict=True) if gap.span.length > 0.12 * frame.span.length]:
        named = over(wide).mark_text(color=palette.GREY)
        yield named.encode(x=_MIDDLE, y=_above_floor(22), text=alt.Text("reason:N"))


def dots(frame: Frame, rows: Sequence[Row]) -> list[alt.Chart]:
    """A dot for each good window, a triangle for each bad one, at the field `number`."""
    styles = (("good", palette.LINE, "circle", 16), ("bad", palette.BAD, "triangle-up", 48))
    layers = []
    for verdict, colour, shape, size in styles:
        if mine := [row for row in rows if row["verdict"] == verdict]:
            marks: alt.Chart = over(mine).mark_point(filled=True, opacity=0.85, color=colour, shape=shape, size=size)
            layers.append(marks.encode(x=AT, y=frame.y("number"), tooltip=TIPS))
    return layers


def bounds(frame: Frame, sli: Sli) -> list[alt.Chart]:
    """A line at each bound of what is good, with its number."""
    named = [(sli.at_least, "≥", 9), (sli.at_most, "≤", -7)]
    lines = [limit(frame, b, f"good {sign} {words.number(b)}", dy) for b, sign, dy in named if b is not None]
    return [layer for pair in lines for layer in pair]


def limit(frame: Frame, at: float, text: str, dy: int) -> tuple[alt.Chart, alt.Chart]:
    """A dashed line right across, and its text `dy` pixels below it."""
    base = over([{"number": at, "text": text}]).encode(y=frame.y("number"))
    label = base.mark_text(color=palette.BAD, align="left", x=0, dx=4, dy=dy, fontSize=11)
    rule = base.mark_rule(color=palette.BAD, strokeDash=[6, 4], strokeWidth=1.3)
    return rule, label.encode(text=alt.Text("text:N"))


def _moment(at: datetime) -> alt.DateTime:
    # Not milliseconds: Vega would take a number in a domain for a year.
    date = {"year": at.year, "month": at.month, "date": at.day, "hours": at.hour, "minutes": at.minute}
    return alt.DateTime(**date, seconds=at.second, milliseconds=at.microsecond // 1000, utc=True)


def _above_floor(pixels: int) -> dict[str, dict[str, str]]:
    return {"value": {"expr": f"height - {pixels}"}}


def millis(at: datetime) -> float:
    """Milliseconds since the Unix epoch, as the charts count time; whole, but no integer, for Arrow's are too long."""
    return float(round((at - EPOCH) / timedelta(milliseconds=1)))


def when(span: Span) -> str:
    """A window in words."""
    end = f"{span.end:%H:%M:%S}" if span.start.date() == span.end.date() else f"{span.end:%-d %b %H:%M:%S}"
    return f"{span.start:%-d %b %Y %H:%M:%S} to {end} UTC"


def _episode(alert: Alert, span: Span) -> Iterator[Row]:
    if alert.fired_at is None or alert.fired_at >= span.end or (alert.resolved_at or span.end) <= span.start:
        return
    start, end = max(alert.fired_at, span.start), min(alert.resolved_at or span.end, span.end)
    rule = f", rule {alert.rule}" if alert.rule else ""
    until = "and still fires" if alert.resolved_at is None else f"to {alert.resolved_at:%-d %b %H:%M:%S} UTC"
    yield {
        "at": millis(start),
        "end": millis(end),
        "colour": _KINDS.get(alert.kind, palette.WARN),
        "tip": f"{words.KINDS[alert.kind]} firing{rule}",
        "when": f"{alert.fired_at:%-d %b %H:%M:%S} {until}",
    }


def _planned(window: Maintenance, span: Span) -> Iterator[Row]:
    for one in window.effective:
        if one.start < span.end and one.end > span.start:
            yield {
                "at": millis(max(one.start, span.start)),
                "end": millis(min(one.end, span.end)),
                "tip": f"maintenance {window.id}: {window.reason} ({window.owner})",
                "when": when(one),
            }


def _hole(gap: Gap, span: Span) -> Row:
    start, end = max(gap.span.start, span.start), min(gap.span.end, span.end)
    reason = words.REASONS[gap.reason]
    return {
        "at": millis(start),
        "end": millis(end),
        "middle": millis(start + (end - start) / 2),
        "reason": reason,
        "tip": f"not measured: {reason}. {gap.detail}",
        "when": when(gap.span),
    }
