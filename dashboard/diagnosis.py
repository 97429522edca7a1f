"""Why the stream is as it is: causes with what speaks for each, what to do, and what was ruled out. Pure HTML."""

from collections.abc import Iterable
from html import escape
from typing import Final

from dashboard import markup, words
from dashboard.layers import when
from drift.records import NONE, Cause, Diagnosed, Diagnosis
from drift.store.reads import AlertRow

RULED_OUT: Final = "What was ruled out, and by which number"
HEALTHY: Final = "This window looks healthy: why others were bad is not known."
HEADS: Final = ("Cause", "How likely", "What speaks for it", "Next step")


def section(made: Diagnosed, which: str) -> str:
    """The diagnosis, of which stretch it is, and `which` of all it is."""
    title = f"Why: the window of {when(made.span)}"
    asked = f"asked by {made.slo}" if made.slo else "asked by hand"
    text = f"{which}, made {made.made_at:%-d %b %Y %H:%M:%S} UTC, {asked}."
    healthy = f'<p class="summary">{HEALTHY}</p>' if made.found.causes[0].cause == NONE else ""
    causes = markup.table("Causes", HEADS, [("", _cells(cause)) for cause in made.found.causes])
    return f'<h3>{escape(title)}</h3><p class="soft">{escape(text)}</p>{healthy}{causes}'


def of_alert(made: Diagnosed, row: AlertRow) -> str:
    """Which diagnosis of all it is, on the page of an alert."""
    own = made.slo == row.alert.slo
    return f"A diagnosis {'that this objective asked for' if own else 'of a window that was bad for this objective'}"


def of_stream(made: Diagnosed, alerts: Iterable[AlertRow]) -> str:
    """Which diagnosis of all it is, on the page of a stream."""
    cause = made.found.causes[0].cause
    told = any(row.annotations.get("cause") == cause for row in alerts if not row.alert.is_over)
    return "The diagnosis that an open alert tells of" if told else "The newest diagnosis in this range"


def ruled_out(found: Diagnosis) -> str:
    """The causes that were looked for in vain, and by which number; "" where there are none."""
    if not found.ruled_out:
        return ""
    rows = ((", ".join(slugs), why or "looked for in the vectors, and not seen") for why, slugs in _by(found))
    return markup.table("Ruled out", ("Ruled out", "By"), [("", [*map(escape, row)]) for row in rows])


def _cells(cause: Cause) -> tuple[str, ...]:
    bar = f'<div class="bar moved"><i style="width:{round(100 * cause.score)}%"></i></div>'
    return (
        f'<span class="name">{escape(cause.cause)}</span>',
        f"{bar}{escape(words.share(cause.score))}",
        escape(cause.evidence),
        escape(cause.next_step),
    )


def _by(found: Diagnosis) -> Iterable[tuple[str, tuple[str, ...]]]:
    # The long list, which is of all that one number says at once, comes last.
    return sorted(found.ruled_out_by.items(), key=lambda one: len(one[1]))
