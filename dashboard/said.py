"""What was said of an alert: by which rule it fired, who looks after it, and whether it was false. Pure."""

from dashboard import words
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
