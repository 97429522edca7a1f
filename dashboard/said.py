"""What was said of an alert: by which rule it fired, who looks after it, and whether it was false. Pure."""

from collections.abc import Sequence

from dashboard import words
from dashboard.standing import Line
from drift.store.reads import AlertRow


def taken(row: AlertRow) -> str:
    """Who looks after it, and how long after it fired that one said so; "" where nobody does."""
    said, fired = row.acknowledged, row.alert.fired_at
    if said is None or fired is None:
        return ""
    return f"by {said.by} after {words.length(said.at - fired)}" + (f": {said.note}" if said.note else "")


def fired_by(row: AlertRow) -> str:
    """`rule fast`, on which it fired; "" where that is not known."""
    rule = row.annotations.get("fired_by", "")
    return f"rule {rule}" if rule else ""


def lines(row: AlertRow) -> list[str]:
    """What people have said."""
    found = [f"acknowledged {taken(row)}"] if row.acknowledged else []
    return found + ([f"marked as false by {row.false_by}"] if row.false_by else [])


def unknown_first(pages: Sequence[Line]) -> list[Line]:
    """`pages` that nobody knows of before those that are acknowledged or in maintenance."""
    return sorted(pages, key=lambda line: (line.maintenance is not None, _is_acknowledged(line)))


def _is_acknowledged(line: Line) -> bool:
    """Whether somebody looks after its most urgent alert."""
    return bool(line.alerts) and line.alerts[0].acknowledged is not None


def firing(pages: Sequence[Line]) -> str:
    """How many pages fire, and of how many of them somebody knows: `8 pages are firing, of which 4 in maintenance`."""
    text = f"{words.several(len(pages), 'page')} {'is' if len(pages) == 1 else 'are'} firing"
    counts = {
        "in maintenance": sum(line.maintenance is not None for line in pages),
        "acknowledged": sum(map(_is_acknowledged, pages)),
    }
    known = [f"{words.count(count)} {name}" for name, count in counts.items() if count]
    return f"{text}, of which {' and '.join(known)}" if known else text
