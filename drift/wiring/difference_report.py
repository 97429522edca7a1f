"""What is said of references that were compared."""

from dataclasses import asdict

from drift.diagnosis.likeness import Likeness
from drift.store.references import ReferenceRow
from drift.wiring.compare_references import Again, Between
from drift.wiring.kept_references import SHORT
from drift.wiring.reference_report import NEXT_START, as_rows


def again_as_json(done: Again) -> dict[str, object]:
    """A recomputation as one dictionary; `version` is that of the new reference where one was kept."""
    found = done.found
    return {
        "stream": found.was.stream,
        "recomputed": found.was.version,
        "changed": found.changed,
        "kept": done.made.kept,
        "version": found.now.version if done.made.kept else None,
        "in_use": done.made.in_use,
        "encoder": [asdict(change) for change in found.changes],
        "fingerprint": found.now.fingerprint,
        **_plain(found.likeness),
    }


def _plain(found: Likeness) -> dict[str, object]:
    return {**asdict(found), "share": found.share}


def again_as_text(done: Again) -> str:
    """The same for people."""
    found = done.found
    encoder = "; ".join(map(str, found.changes)) or "the same, down to its libraries"
    lines = [
        f"reference {found.was}: {found.likeness.rows:,} inputs encoded again",
        *_said(found.likeness),
        f"encoder: {encoder}",
        _what_became(done),
    ]
    return "\n".join(lines)


def _said(found: Likeness) -> list[str]:
    return [
        f"cosine of old and new vector: worst {found.worst:.6f}, first percentile {found.p01:.6f}",
        f"length of new over old: {found.shortest:.6f} to {found.longest:.6f}",
        f"beyond rounding: {found.moved:,} rows; beyond the tolerance of skew: {found.failing:,} ({found.share:.1%})",
    ]


def _what_became(done: Again) -> str:
    if not done.found.changed:
        return "Unchanged: the encoder still gives this reference."
    if not done.made.kept:
        return "Changed. Nothing was written: this was a dry run."
    name = done.found.now.version[:SHORT]
    if not done.made.in_use:
        return f"Changed, and kept as {name}. The stream stays pinned to {done.made.pinned[:SHORT]}."
    return f"Changed, and kept as {name}, the stream's reference now. {NEXT_START}"


def between_as_json(found: Between) -> dict[str, object]:
    """Two references as one dictionary."""
    rows = found.rows
    old, new = as_rows([found.old, found.new])
    return {
        "old": old,
        "new": new,
        "encoder": [asdict(change) for change in found.encoder],
        "paired": rows.paired,
        "added": rows.added,
        "removed": rows.removed,
        "changed": rows.likeness.moved if rows.likeness else None,
        "relabelled": rows.relabelled,
        "likeness": _plain(rows.likeness) if rows.likeness else None,
        "distribution": asdict(rows.moved) if rows.moved else None,
    }


def between_as_text(found: Between) -> str:
    """The same for people."""
    rows, old, new = found.rows, found.old, found.new
    encoder = "; ".join(map(str, found.encoder)) or "the same"
    changed = f"{rows.likeness.moved:,} with another vector, " if rows.likeness else ""
    lines = [
        _named("old", old),
        _named("new", new),
        f"encoder: {encoder}",
        f"rows: {rows.paired:,} paired ({changed}{rows.relabelled:,} with another label), {rows.added:,} added, "
        f"{rows.removed:,} removed",
        *(_said(rows.likeness) if rows.likeness else []),
        _distribution(found),
    ]
    return "\n".join(lines)


def _named(which: str, row: ReferenceRow) -> str:
    when = f"{row.created_at:%Y-%m-%d %H:%M}"
    size = f"{row.rows:,} rows of {row.dim} dimensions, {row.copies:,} copies left out"
    return f"{which}: {row.version[:SHORT]}, {size}; from {row.source}; by {row.by or 'not kept'}, {when}"


def _distribution(found: Between) -> str:
    if (moved := found.rows.moved) is not None:
        return (
            f"added rows against the old reference: p = {moved.p_value:.4g} by {moved.rows} of them, as much as "
            f"{moved.share:.1%} of foreign rows would do ({moved.low:.1%} to {moved.high:.1%})"
        )
    if found.old.dim != found.new.dim:
        return "vectors of two lengths cannot be compared"
    return "added rows against the old reference: too few to tell" if found.rows.added else "no rows were added"
