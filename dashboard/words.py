"""Times, shares and objectives in plain words, for people who have just been woken up."""

from datetime import datetime, timedelta
from typing import Final

from drift.alert import AlertKind
from drift.records import GapReason, parse_name
from drift.slo import Outcome, Quantity, Sli

MINUS: Final = "\N{MINUS SIGN}"
NARROW: Final = "\N{NARROW NO-BREAK SPACE}"
FIXED: Final = "\N{NO-BREAK SPACE}"

# What a detector looks at. One that is not listed goes by its name.
_LOOKS_AT: Final = {
    "mmd": "distance of the traffic from the reference (MMD)",
    "joint": "share of foreign rows that would move the distribution as far",
    "mean_shift": "shift of the mean, against the reference's variance",
    "energy": "energy distance of the traffic from the reference",
    "lsdd": "difference of the densities of traffic and reference",
    "mmd_fuse": "distance of the traffic from the reference, at the scale that shows most",
    "context_mmd": "distance from the reference within labels or segments",
    "sliced_wasserstein": "how far the traffic is carried, along random directions",
    "classifier": "how well a classifier tells the traffic from the reference",
    "ks": "share of dimensions that have changed",
    "online": "largest deviation of the latest rows, over what chance gives",
    "novelty": "share of rows unlike any in the reference",
    "effective_rank": "directions in use, against the reference",
    "variance_ratio": "spread, against the reference",
    "probe": "accuracy of a linear probe",
    "estimated_accuracy": "accuracy of a linear probe, estimated without labels",
    "refit_probe": "accuracy of a linear probe fitted on the window itself",
    "knn_probe": "accuracy of a vote of the nearest reference rows",
    "recall": "share of rows that find their own label in the reference",
    "skew": "distance between served and re-encoded vectors",
    "canary": "share of golden inputs that production gives another vector",
    "canary_probe": "accuracy of a linear probe on golden inputs, as production embeds them",
    "environment": "share of the reference's inputs that get another vector here",
    "duplicates": "share of rows that copy another, beyond the reference's own",
    "quantised": "share of rows that were rounded to few bits, beyond the reference's own",
    "valid_ratio": "share of rows that could be used",
}
KINDS: Final = {
    AlertKind.PAGE: "page",
    AlertKind.TICKET: "ticket",
    AlertKind.NODATA: "no data",
    AlertKind.INSUFFICIENT: "too little data",
    AlertKind.EXHAUSTED: "budget spent",
}
OUTCOMES: Final = {
    Outcome.GOOD: "good",
    Outcome.BAD: "bad",
    Outcome.MISSING: "nothing arrived",
    Outcome.INSUFFICIENT: "too little to judge",
    Outcome.EXCLUDED: "maintenance",
}
REASONS: Final = {
    GapReason.NO_DATA: "nothing arrived",
    GapReason.TOO_FEW_ROWS: "too few rows",
    GapReason.NO_LABELS: "no labels",
    GapReason.NO_INPUTS: "no inputs",
    GapReason.UNMEASURABLE: "could not be measured",
    GapReason.NO_ANSWER: "no answer",
    GapReason.FAILED: "measuring it failed",
}


def looks_at(detector: str) -> str:
    """What `detector` measures, in one window or in several merged."""
    name, windows = parse_name(detector)
    over = f", over {windows} windows" if windows > 1 else ""
    return _LOOKS_AT.get(name, name) + over


def length(span: timedelta) -> str:
    """A length in its largest unit and, while that is a small number, the next: `8 s`, `14 min`, `3 h 5 min`."""
    seconds = max(0, round(span.total_seconds()))
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for i, (size, name) in enumerate(units):
        if seconds >= size:
            count, left = divmod(seconds, size)
            text = f"{count}{NARROW}{name}"
            rest = 0 if count >= 10 or i == 3 else left // units[i + 1][0]
            return f"{text}{FIXED}{rest}{NARROW}{units[i + 1][1]}" if rest else text
    return f"0{NARROW}s"


def after(span: timedelta) -> str:
    """How long after the start of something, or before: `+ 3 min`, `- 2 h` with a minus sign, `start`."""
    if not span:
        return "start"
    return f"{MINUS if span < timedelta() else '+'}{NARROW}{length(abs(span))}"


def clock(at: datetime, now: datetime) -> str:
    """A moment in UTC: the time if it is near `now`, with the date if it is another day's."""
    time = f"{at:%H:%M:%S}" if at.second and abs(now - at) < timedelta(hours=2) else f"{at:%H:%M}"
    if at.date() == now.date():
        return f"{time}{FIXED}UTC"
    year = f" {at.year}" if at.year != now.year else ""
    return f"{at.day} {at:%b}{year} {time} UTC".replace(" ", FIXED)


def share(ratio: float) -> str:
    """A ratio as percent: `62 %`, `0.4 %`; only all is `100 %`."""
    percent = abs(100 * ratio)
    fine = 0 < percent < 9.95 or 99 < percent < 100
    text = f"{min(percent, 99.9):.1f}" if fine else f"{percent:.0f}"
    sign = MINUS if ratio < 0 and float(text) else ""
    return f"{sign}{text.removesuffix('.0')}{NARROW}%"


def signed(ratio: float) -> str:
    """A change as percent, a gain with its sign too: `+4 %`."""
    return ("+" if ratio > 0 else "") + share(ratio)


def number(value: float) -> str:
    """Three significant digits, and all of a whole number from a thousand to a thousand million: `1 235`."""
    text = count(round(value)) if 999.5 <= abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("-", MINUS)


def size(count: float) -> str:
    """Bytes in the largest decimal unit: `730 kB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g}{NARROW}{unit}"
        count /= 1000
    return f"{count:.3g}{NARROW}TB"


def times(burn: float) -> str:
    """How many times too fast: `14.4` and the sign for times."""
    text = f"{burn:.0f}" if burn >= 99.95 else f"{burn:.1f}".removesuffix(".0")
    return f"{text}\N{MULTIPLICATION SIGN}"


def good(sli: Sli) -> str:
    """When a window is good: `0.8 ≤ value ≤ 1.25`, `p-value ≥ 0.005, or effect surely below 0.01`."""
    name = "value" if sli.quantity is Quantity.VALUE else "p-value"
    name += " among past windows" if sli.calibrated else ""
    if sli.at_least is not None and sli.at_most is not None:
        return f"{number(sli.at_least)} ≤ {name} ≤ {number(sli.at_most)}"
    if sli.at_least is not None:
        small = f", or effect surely below {number(sli.effect_at_least)}" if sli.effect_at_least else ""
        return f"{name} ≥ {number(sli.at_least)}{small}"
    return name if sli.at_most is None else f"{name} ≤ {number(sli.at_most)}"


def several(number: int, one: str, many: str = "") -> str:
    """`1 window`, `2 windows`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def count(number: int) -> str:
    """A count with its thousands apart: `12 345`."""
    return f"{number:,}".replace(",", NARROW)


def cut(text: str, most: int) -> str:
    """`text`, of which at most that many letters stay."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
