"""What is said of a reference that was made by hand."""

from drift.wiring.kept_references import SHORT
from drift.wiring.make_reference import Made
from drift.wiring.reference_report import NEXT_START


def as_json(made: Made) -> dict[str, object]:
    """One dictionary; `kept` is false after a dry run."""
    held = made.reference
    return {
        "stream": held.stream,
        "version": held.version,
        "rows": len(held.rows),
        "dim": held.vectors.shape[1],
        "copies": held.lineage.copies,
        "source": held.lineage.source,
        "fingerprint": held.fingerprint,
        "kept": made.kept,
        "new": made.new,
        "in_use": made.in_use,
        "note": made.note,
    }


def as_text(made: Made) -> str:
    """The same for people."""
    held = made.reference
    copies = f", {held.lineage.copies:,} more left out as copies" if held.lineage.copies else ""
    by = f"encoded by {held.fingerprint[:SHORT]}" if held.fingerprint else "vectors as they were served"
    lines = [
        f"reference {held}: {len(held.rows):,} rows of {held.vectors.shape[1]} dimensions{copies}; {by}",
        f"made from {held.lineage.source}",
        made.note,
        _what_becomes(made),
    ]
    return "\n".join(line for line in lines if line)


def _what_becomes(made: Made) -> str:
    if not made.kept:
        return "Nothing was written: this was a dry run."
    known = "" if made.new else "The very same rows were kept already. "
    if not made.in_use:
        return f"{known}The stream stays pinned to {made.pinned[:SHORT]}: `drift reference pin` says otherwise."
    return f"{known}It is the stream's reference now. {NEXT_START}"
