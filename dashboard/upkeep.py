"""The service about itself in HTML, and a chart of what it takes in. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final

from dashboard import alive, markup, palette, words
from dashboard.episodes import TOLD_AFTER
from dashboard.layers import Axis, Bars, Chart, Kind, millis, over, when
from dashboard.service import OVER, SLOW, Operations
from drift.records import Span
from drift.store.encoders import EncoderRow
from drift.store.endpoints import EndpointRow
from drift.store.operations import Intake

HOUR: Final = timedelta(hours=1)
QUEUE_HEADS: Final = ("Stream", "Windows waiting", "The oldest waits for", "Attempts", "What failed last")
GAP_HEADS: Final = ("Windows", "Why", "Stream", "Detector", "Newest", "For example")
RECEIVER_HEADS: Final = ("Receiver", "Delivered", "Waiting", "Given up", "Told after", "Last answer to the rest")
LARGEST: Final = 8  # tables that are listed
SIZE_HEADS: Final = ("Table", "Size", "Rows, about")
ENCODER_HEADS: Final = (
    "Encoder",
    "Process",
    "Loaded in",
    "Inputs encoded",
    "Inputs a second",
    "Time spent",
    "Cost of a million",
    "GPU memory at most",
    "GPU utilisation",
)
PARTS: Final = (("kept", palette.LINE), ("not sampled", palette.BAND), ("refused", palette.BAD))


def verdict(found: Operations, silent: timedelta | None) -> str:
    """Whether the service runs and keeps up, in one line; `silent` is how long none has written."""
    faults = [alive.notice(silent)] if silent else []
    if found.is_late:
        faults.append(f"{words.several(found.waiting, 'window')} wait, the oldest for {words.length(found.lag)}")
    if found.dead:
        faults.append(f"{words.several(found.dead, 'message')} given up")
    faults += [f"{row.receiver} has not taken {words.several(row.late, 'message')}" for row in found.unreached]
    faults += [f"receiver {row.receiver} is disabled" for row in found.disabled]
    line = f"◆ {'; '.join(faults)}" if faults else "✓ The service keeps up"
    return f'<p class="verdict">{escape(line)}</p>'


def numbers(found: Operations) -> str:
    """Its numbers."""
    tiles = [
        ("windows waiting", found.waiting, "ticket" if found.is_late else ""),
        ("not measured", found.unmeasured, "no-data" if found.unmeasured else ""),
        ("messages waiting", sum(row.waiting for row in found.receivers), "ticket" if found.unreached else ""),
        ("messages given up", found.dead, "ticket" if found.dead else ""),
        ("rows received", sum(hour.received for hour in found.intake), ""),
        ("inputs encoded again", sum(hour.encoded for hour in found.intake), ""),
        ("streams", len(found.streams), ""),
    ]
    note = f'<p class="soft">Counts are of the last {words.length(OVER)}; waiting windows and streams are of now.</p>'
    return markup.tiles(tiles) + note


def queue(found: Operations) -> str:
    """What waits to be measured."""
    if not found.queue:
        return '<p class="soft">No closed window waits to be measured.</p>'
    rows = (
        (
            "ticket" if found.at - row.since > SLOW else "",
            (
                f'<span class="name">{markup.link("stream", row.stream, stream=row.stream)}</span>',
                words.count(row.windows),
                escape(words.length(found.at - row.since)),
                words.count(row.attempts),
                escape(row.error or "-"),
            ),
        )
        for row in found.queue
    )
    return markup.table("Windows that wait", QUEUE_HEADS, rows)


def gaps(found: Operations) -> str:
    """What could not be measured, and why."""
    if not found.gaps:
        return '<p class="soft">Every window was measured by every detector.</p>'
    rows = (
        (
            "",
            (
                words.count(row.windows),
                escape(words.REASONS[row.reason]),
                f'<span class="name">{markup.link("stream", row.stream, stream=row.stream)}</span>',
                escape(row.detector or "all"),
                escape(words.clock(row.newest, found.at)),
                escape(row.detail),
            ),
        )
        for row in found.gaps
    )
    shown = sum(row.windows for row in found.gaps)
    more = f"Of {words.several(found.unmeasured, 'window')} these are {words.count(shown)}: the largest groups."
    note = f'<p class="soft">{escape(more)}</p>' if shown < found.unmeasured else ""
    return markup.table("Windows that could not be measured", GAP_HEADS, rows) + note


def receivers(found: Operations) -> str:
    """How delivery to each receiver goes."""
    closed = "".join(f"<p>{escape(_closed(row, found.at))}</p>" for row in found.closed.values())
    if not found.receivers:
        return f'{closed}<p class="soft">No message was written.</p>'
    rows = (
        (
            "ticket" if row.dead or row.late or row.receiver in found.closed else "",
            (
                f'<span class="name">{escape(row.receiver)}</span>',
                words.count(row.sent),
                words.count(row.waiting),
                words.count(row.dead),
                _took(row.half, row.most),
                escape(row.error or "-"),
            ),
        )
        for row in found.receivers
    )
    return closed + markup.table("Deliveries by receiver", RECEIVER_HEADS, rows) + TOLD_AFTER


def _closed(row: EndpointRow, now: datetime) -> str:
    """Why a receiver gets nothing, and until when."""
    if row.disabled_at is not None:
        since = f"{row.receiver} gets nothing since {words.clock(row.disabled_at, now)}: {row.why}"
        return f"{since}. What is written to it waits for: drift webhook enable {row.receiver}"
    until = f" until {words.clock(row.paused_until, now)}" if row.paused_until else ""
    return f"{row.receiver} asked to be left alone{until}."


def sizes(found: Operations) -> str:
    """How large the database is, table by table."""
    whole = sum(row.bytes for row in found.sizes) or 1
    rows = (
        (
            "",
            (
                f'<span class="name">{escape(row.name)}</span>',
                f'<div class="bar moved"><i style="width:{100 * row.bytes / whole:.1f}%"></i></div>'
                + escape(words.size(row.bytes)),
                '<span class="soft">not counted yet</span>' if row.rows is None else words.count(row.rows),
            ),
        )
        for row in found.sizes[:LARGEST]
    )
    return markup.table("Tables by size", SIZE_HEADS, rows)


def encoders(found: Operations) -> str:
    """What encoding takes in each process that runs, since that began; what was remembered takes nothing."""
    if not found.encoders:
        return '<p class="soft">No process with an encoder has told of itself in the last minutes.</p>'
    rows = (
        (
            "",
            (
                f'<span class="name">{escape(row.name)}</span>',
                escape(row.process),
                f"{row.load_seconds:.1f} s",
                words.count(row.inputs),
                "-" if row.per_second is None else f"{row.per_second:,.1f}",
                escape(words.length(timedelta(seconds=row.seconds))),
                "no price" if row.per_million is None else escape(words.number(row.per_million)),
                escape(words.size(row.gpu_memory)) if row.gpu_memory else "on the CPU",
                _busy(row),
            ),
        )
        for row in found.encoders
    )
    return markup.table("Encoders by process", ENCODER_HEADS, rows)


def _busy(row: EncoderRow) -> str:
    """How much of the time the GPU ran kernels when it was last looked at."""
    if row.gpu_utilisation is None:
        return "unknown" if row.gpu_memory else "-"
    return escape(words.share(row.gpu_utilisation)) + markup.small("when last encoding")


def taken_in(found: Operations) -> Chart:
    """Rows by the hour: kept as a sample, received and not sampled, refused."""
    most = max((hour.received for hour in found.intake), default=0)
    shown = Span(found.at - OVER, found.at)
    bars = tuple(_bars(found.intake, i, shown) for i in range(len(PARTS)))
    axis = Axis(Kind.LINEAR, 0.0, 1.05 * most or 1.0, "rows an hour")
    return Chart("rows by the hour", 140, over(shown), axis, bars)


def _bars(hours: Sequence[Intake], part: int, shown: Span) -> Bars:
    """One part of each hour, upon those before it."""
    name, colour = PARTS[part]
    counts = [(hour.kept, max(0, hour.received - hour.kept - hour.refused), hour.refused) for hour in hours]
    low, high = (tuple(float(sum(rows[:end])) for rows in counts) for end in (part, part + 1))
    spans = [Span(hour.start, hour.start + HOUR) for hour in hours]
    # A hair's breadth between two hours.
    start = tuple(millis(min(max(span.start + HOUR / 30, shown.start), shown.end)) for span in spans)
    end = tuple(millis(max(min(span.end - HOUR / 30, shown.end), shown.start)) for span in spans)
    tips = tuple(
        f"{words.several(rows[part], 'row')} {name}, of {words.count(hour.received)} received\n{when(span)}"
        for rows, hour, span in zip(counts, hours, spans, strict=True)
    )
    return Bars(start, end, low, high, colour, 1.0, tips)


def _took(half: timedelta | None, most: timedelta | None) -> str:
    if half is None or most is None:
        return "-"
    return escape(f"half within {words.length(half)}") + markup.small(f"19 of 20 within {words.length(most)}")
