"""What has moved most in a window, in words for an alert."""

from collections.abc import Iterable, Sequence

from drift.records import KeptAttribution, Measurement

SEEN = 0.05
"""The p-value up to which a change is taken apart; above it the parts are chance."""


def moved_most(measurements: Sequence[Measurement]) -> str:
    """The measurement furthest outside of what healthy windows give, then the segment that makes up most of the change.

    Measurements in different units are compared by how many widths of their healthy band they lie beyond it. "" where
    none lies outside and nothing is known of segments.
    """
    parts = [_furthest(measurements), _largest_segment(m.attribution for m in measurements if m.attribution)]
    return "; ".join(part for part in parts if part)


def _furthest(measurements: Iterable[Measurement]) -> str:
    beyond = [(_widths_beyond(m), m) for m in measurements]
    widths, most = max(beyond, key=lambda pair: pair[0], default=(0.0, None))
    if most is None or widths <= 0:
        return ""
    return f"{most.detector} {most.value:.4g}, where healthy windows give {most.band_low:.4g} to {most.band_high:.4g}"


def _widths_beyond(m: Measurement) -> float:
    if m.band_low is None or m.band_high is None or m.band_high <= m.band_low:
        return 0.0
    return max(m.value - m.band_high, m.band_low - m.value) / (m.band_high - m.band_low)


def _largest_segment(attributions: Iterable[KeptAttribution]) -> str:
    for kept in attributions:
        if kept.segments and kept.total > 0 and kept.p_value <= SEEN:
            first = kept.segments[0]
            share = f"{first.contribution / kept.total:.0%}"
            return f"segment {first.name}, {first.window:.0%} of the rows, makes up {share} of the change"
    return ""
