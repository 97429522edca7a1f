"""What is said of kept references, to people and to programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from rich.table import Table
from rich.text import Text

from drift.store.references import ReferenceRow
from drift.wiring.kept_references import SHORT, Details

NEXT_START: Final = "A running service takes it up at its next start."


def as_rows(found: Sequence[ReferenceRow]) -> list[dict[str, object]]:
    """One dictionary per reference, without the parts of its fingerprint."""
    return [_plain(row, "encoder") for row in found]


def _plain(row: ReferenceRow, *but: str) -> dict[str, object]:
    return {name: value for name, value in asdict(row).items() if name not in but} | {
        "created_at": row.created_at.isoformat()
    }


def as_table(found: Sequence[ReferenceRow]) -> Table:
    """The same for people."""
    table = Table(caption="in use: what windows are held against. `drift reference show STREAM VERSION` says more")
    for name in ("stream", "version", "rows", "made from", "encoder", "by", "when", ""):
        table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
    for row in found:
        cells = (
            row.stream,
            row.version[:SHORT],
            f"{row.rows:,}",
            row.source,
            row.fingerprint[:SHORT] or "production's",
            row.by,
            f"{row.created_at:%Y-%m-%d %H:%M}",
            _mark(row),
        )
        table.add_row(*map(Text, cells), style="bold" if row.in_use else "")
    if not found:
        table.caption = "no reference is kept yet: `drift run` or `drift reference create` makes them"
    return table


def _mark(row: ReferenceRow) -> str:
    if not row.in_use:
        return ""
    return "pinned" if row.pinned else "in use"


def as_json(found: Details) -> dict[str, object]:
    """All of it as one dictionary."""
    said = {name: value for name, value in asdict(found).items() if name != "row"}
    return {**_plain(found.row), **said}


def as_text(found: Details) -> Table:
    """The same for people, one line each."""
    row = found.row
    table = Table(title=f"reference {row.version[:SHORT]} of {row.stream}", show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(found):
        table.add_row(Text(name), Text(value))
    return table


def _lines(found: Details) -> list[tuple[str, str]]:
    row = found.row
    parts = [(f"encoder: {part}", value or "(none)") for part, value in sorted(row.encoder.items())]
    if not parts:
        parts = [("encoder's parts", "not kept" if row.fingerprint else "none: the vectors came from production")]
    return [
        ("made from", row.source),
        ("made by", f"{row.by or 'not kept'}, {row.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("state", _mark(row) or "not in use"),
        ("data checksum", row.version),
        ("inputs checksum", found.inputs_checksum or "no inputs"),
        ("rows", f"{row.rows:,} of {row.dim} dimensions; {row.copies:,} more left out as copies"),
        ("with inputs, labels", f"{found.inputs:,}, {found.labels:,}"),
        *((f"by {name}", _counts(values)) for name, values in found.segments.items()),
        ("R_fit, R_cal", f"the first {found.fitted:,} rows, the other {found.calibrating:,}; their order is random"),
        ("null windows", "; ".join(f"{bank.windows:,} of {bank.key}" for bank in found.banks) or "none kept"),
        ("encoder", row.fingerprint or "production's"),
        *parts,
    ]


def _counts(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value} {count:,}" for value, count in values.items())
