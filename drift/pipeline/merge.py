"""Windows that are measured together, for what is too slow to show in any one of them.

Merged windows tumble: each window is in one of each length. What is measured of them are the sums that were kept of
each window, so a day costs no more than five minutes.
"""

from collections.abc import Iterator
from dataclasses import replace

from detectors.base import Merging
from drift.errors import UnmeasurableError
from drift.pipeline.monitor import Findings, Monitor
from drift.records import Gap, GapReason, Measurement, Span, Stream, merged_name
from drift.store import partitions, sketches
from drift.store.connect import Connection


def findings(conn: Connection, monitor: Monitor, stream: Stream, last: Span) -> Iterator[Findings]:
    """What the merged windows of `stream` show that end with the window `last`, the shortest first.

    The detectors are asked in turn, in one transaction with the window; a refusal becomes a gap with its reason.
    """
    for windows in monitor.merge:
        span = Span.containing(last.start, windows * monitor.window)
        if span.end != last.end:
            continue
        partitions.ensure_month(conn, span.start)
        found = [_measure(conn, monitor, stream, span, detector) for detector in monitor.merging]
        measurements = tuple(one for one in found if isinstance(one, Measurement))
        yield Findings(stream, span, measurements, tuple(one for one in found if isinstance(one, Gap)), windows=windows)


def _measure(conn: Connection, monitor: Monitor, stream: Stream, span: Span, detector: Merging) -> Measurement | Gap:
    windows = span.length // monitor.window
    name, reference = merged_name(detector.name, windows), monitor.references[stream.key]
    sketch = sketches.merged(conn, stream.key, detector.name, span, reference=reference.version)
    if sketch is None:
        return Gap(stream.key, span, name, GapReason.NO_DATA, f"none of these {windows} windows had rows")
    try:
        return replace(detector.measure_sketch(sketch, stream, span, reference), detector=name)
    except UnmeasurableError as error:
        return Gap(stream.key, span, name, GapReason(error.reason), str(error))
