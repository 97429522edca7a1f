"""A closer look at one stream, at one thing at a time: what is not opened is neither read nor computed."""

from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from enum import StrEnum
from html import escape
from typing import Final, TypeVar

import streamlit as st

from dashboard import charts, data, drawn, looks, markup, palette, parts, shapes, unknown, words
from dashboard.looks import GUESSED, PROBES, Compared
from dashboard.series import Range
from drift.slo import Slo
from drift.store.connect import Connection

T = TypeVar("T", bound="Compared | looks.Measured")
TTL: Final = timedelta(minutes=1)
ANCHOR: Final = "a-closer-look"
NO_ROWS: Final = (
    "`{}` has no reference, or too few rows of windows in this range are kept still: `retention.vectors` says for how "
    "long they are."
)


class Look(StrEnum):
    """What can be looked at. The text is what people read and what links hold."""

    DIMENSIONS = "dimensions"
    SPECTRUM = "spectrum"
    ACCURACY = "accuracy"
    SKEW = "skew"
    SEGMENTS = "segments"


def show(chosen: Slo, wanted: Range) -> None:
    """A choice of looks, and the one that was chosen."""
    parts.html(f'<h2 id="{ANCHOR}">A closer look</h2>')
    name = st.segmented_control(
        "At what", [look.value for look in Look], key="look", bind="query-params", label_visibility="collapsed"
    )
    if name:
        _LOOKS[Look(name)](chosen, wanted)
    else:
        st.caption("Computed when it is chosen: nothing of it slows the page.")


def _dimensions(chosen: Slo, wanted: Range) -> None:
    if (asked := st.query_params.get("dim", "")) and not asked.isdecimal():
        st.query_params.pop("dim")
        unknown.say("dim", asked, "Needed is the number of a dimension: `0` or more.")
    number = st.number_input(
        "Dimension",
        min_value=0,
        value=None,
        step=1,
        key="dim",
        bind="query-params",
        placeholder="those that differ most",
        width=260,
    )
    also = None if number is None else int(number)
    found = _ask((Look.DIMENSIONS, also), chosen, wanted, lambda conn: looks.by_dimension(conn, chosen, wanted, also))
    if found is None or not _has_rows(found, chosen):
        return
    if (of := found.dimensions) is not None:
        healthy = f"{words.number(of.low)} to {words.number(of.high)}"
        said = (
            f"Of {words.several(of.count, 'dimension')}, with a variance outside of {healthy} times the reference's: "
            f"{words.count(of.beyond)}, where 99 % of healthy windows have none. With another distribution than chance "
            f"explains (Kolmogorov-Smirnov, at 1 % over all of them): {words.count(of.moved)}."
        )
        parts.html(f"<p>{escape(said)}</p>", _rows(found))
        key = (
            ("dimension", palette.LINE, "mark dot"),
            ("beyond", palette.BAD, "mark bad"),
            ("healthy", palette.BAND, "faint"),
        )
        parts.html("<h3>Variance by dimension, over the reference's</h3>", markup.key(key))
        drawn.charts("variances", shapes.variances(of))
        sample = (("window", palette.LINE, "line"), ("reference", palette.BAND, "faint"))
        parts.html("<h3>Norms, and the dimensions that differ most</h3>", markup.key(sample))
        drawn.charts("histograms", *map(shapes.distribution, of.histograms), least=260)


def _spectrum(chosen: Slo, wanted: Range) -> None:
    found = _ask((Look.SPECTRUM,), chosen, wanted, lambda conn: looks.by_direction(conn, chosen, wanted))
    if found is None or not _has_rows(found, chosen):
        return
    if (of := found.spectrum) is not None:
        (mine, usual), (needs, usually) = of.ranks, of.needed
        said = (
            f"The window uses {mine:.1f} directions by effective rank, as many rows of the reference {usual:.1f}; nine "
            f"tenths of its variance lie in {words.several(needs, 'direction')}, there in {usually}. "
            f"{words.several(of.rows, 'row')} of either."
        )
        key = (
            ("window", palette.LINE, "line"),
            ("reference", palette.GREY, "line"),
            ("99 % of healthy windows", palette.BAND, "faint"),
            ("window along the reference's own directions", palette.SHORT, "dash"),
        )
        parts.html(f"<p>{escape(said)}</p>", _rows(found), markup.key(key))
        drawn.charts("spectrum", shapes.spectra(of))


def _accuracy(chosen: Slo, wanted: Range) -> None:
    found = _ask((Look.ACCURACY,), chosen, wanted, lambda conn: looks.measured(conn, chosen, wanted, PROBES, GUESSED))
    if found is None:
        return
    known = [series for series in found.series if series.measurements]
    if not known and not found.guessed:
        st.info(
            f"No accuracy of `{chosen.stream}` was measured in this range. List `probe` among its `detectors` and send "
            f"`label` with some rows; `{GUESSED}` needs no labels but those of the reference, and an `encoder`."
        )
        return
    key = (
        ("accuracy", palette.LINE, "mark dot"),
        ("95 % interval", palette.LINE, "faint"),
        ("where healthy windows lie", palette.BAND, "faint"),
        ("estimated without labels: far too high where vectors are wrong", palette.WARN, "dash"),
    )
    parts.html(markup.key(key), _as_of(found.at))
    for series in known or found.series[:1]:
        guessed = found.guessed if series.slo.sli.detector == "probe" or not known else ()
        parts.html(f"<h3>{escape(words.looks_at(series.slo.sli.detector))}</h3>")
        drawn.charts(f"accuracy-{series.slo.sli.detector}", shapes.accuracy(series, guessed))


def _skew(chosen: Slo, wanted: Range) -> None:
    found = _ask((Look.SKEW,), chosen, wanted, lambda conn: looks.measured(conn, chosen, wanted, ("skew",)))
    if found is None:
        return
    (series,) = found.series
    if not any(m.percentiles for m in series.measurements):
        st.info(
            f"No row of `{chosen.stream}` was encoded again in this range: configure its `encoder` and send `input` "
            "with the rows."
        )
        return
    key = [(name, colour, "line") for name, colour in zip(shapes.percentile_names(), shapes.FADES, strict=True)]
    parts.html(
        "<p>How far served vectors are from the encoder's, in tolerances of <code>skew</code>: the worse of direction "
        "and norm.</p>",
        markup.key(key),
        _as_of(found.at),
    )
    drawn.charts("skew", shapes.skew(series))


def _segments(chosen: Slo, wanted: Range) -> None:
    known = parts.known(data.streams, lambda found: found.at)
    if known is None:
        return
    declared, _ = data.config()
    slos = looks.segments(chosen, known.streams, declared.named(chosen.name) if declared else {})
    found = _ask((Look.SEGMENTS, slos), chosen, wanted, lambda conn: looks.by_segment(conn, chosen, wanted, slos))
    if found is None:
        return
    shown = [series for series in found.series if series.measurements or series.gaps]
    if len(found.series) < 2:
        st.info(f"`{chosen.stream}` is not split: name columns and values under its `segments`.")
        return
    parts.html(f"<p>{escape(chosen.name)} of the whole stream, and of each segment.</p>", _as_of(found.at))
    drawn.charts("segments", *(charts.of_segment(series) for series in shown), least=260)


def _ask(key: tuple[Hashable, ...], chosen: Slo, wanted: Range, read: Callable[[Connection], T]) -> T | None:
    """What a look gives, a minute old at most; None, and the reason shown, when nothing is known."""
    return parts.known(
        lambda: data.asked((*key, chosen, wanted), read, of=chosen.stream, ttl=TTL), lambda found: found.at
    )


def _has_rows(found: Compared, chosen: Slo) -> bool:
    if found.sizes is None:
        st.info(NO_ROWS.format(chosen.stream))
    return found.sizes is not None


def _rows(found: Compared) -> str:
    """Which rows were compared."""
    if (of := found.sizes) is None:
        return ""
    said = (
        f"{words.several(of.window, 'row')} of windows of {of.span.start:%-d %b %H:%M:%S} to "
        f"{of.span.end:%-d %b %H:%M:%S} UTC, against {words.several(of.reference, 'row')} of the reference "
        f"{of.version[:12]}."
    )
    return f'<p class="soft">{escape(said)}</p>{_as_of(found.at)}'


def _as_of(at: datetime) -> str:
    return f'<p class="when">As of {at:%Y-%m-%d %H:%M:%S} UTC, computed again after {words.length(TTL)}.</p>'


_LOOKS: Final[dict[Look, Callable[[Slo, Range], None]]] = {
    Look.DIMENSIONS: _dimensions,
    Look.SPECTRUM: _spectrum,
    Look.ACCURACY: _accuracy,
    Look.SKEW: _skew,
    Look.SEGMENTS: _segments,
}
