"""What each precision of an encoder costs and gives: for a terminal, as JSON, and as Markdown."""

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drift import __version__
from drift.wiring.gate import Request
from drift.wiring.gate_quantised import Priced, Trade
from drift.wiring.gate_report import line, safe

MEBI = 1 << 20


def as_json(found: Trade, request: Request) -> dict[str, object]:
    """One object; see `Priced` for the numbers. Sizes are bytes, `seconds` are for one input."""
    return {
        "version": __version__,
        "encoder": request.baseline,
        "inputs": found.inputs,
        "neighbours": request.neighbours,
        "precisions": [asdict(row) for row in found.rows],
        "missing": list(found.missing),
        "seed": request.seed,
    }


def headline(found: Trade, request: Request) -> str:
    """Of what, and on how many inputs."""
    return f"{request.baseline} in {len(found.rows)} precisions, {found.inputs} inputs"


def as_text(found: Trade, request: Request) -> RenderableType:
    """A table with a row for each precision."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # as narrow as a terminal of 80 columns
    for head in heads(request):
        name = head.replace("@", "\n@").replace("/", "\n/")
        table.add_column(name, justify="left" if head == "precision" else "right", overflow="fold")
    for row in found.rows:
        table.add_row(*map(Text, cells(row)))
    return Group(Text(headline(found, request), style="bold"), table, *map(Text, found.missing))


def as_markdown(found: Trade, request: Request) -> str:
    """The same for a pull request."""
    names = heads(request)
    lines = [f"## drift gate: {safe(headline(found, request))}", "", line(names), line(["---"] * len(names))]
    lines += [line(cells(row)) for row in found.rows]
    return "\n".join([*lines, "", *map(safe, found.missing), f"drift {__version__}, seed {request.seed}", ""])


def heads(request: Request) -> tuple[str, ...]:
    """What the columns are called."""
    k = request.neighbours
    return ("precision", "accuracy", f"recall@{k}", f"overlap@{k}", "cosine", "memory", "disk", "ms/input", "speed")


def cells(row: Priced) -> tuple[str, ...]:
    """One precision as a row under `heads`."""
    return (
        row.precision,
        "" if row.accuracy is None else f"{row.accuracy:.4f}",
        f"{row.recall:.4f}",
        f"{row.overlap:.4f}",
        f"{row.cosine:.6f}",
        f"{row.memory / MEBI:.1f} MiB",
        f"{row.disk / MEBI:.1f} MiB",
        f"{1000 * row.seconds:.2f}",
        f"{row.speed:.2f}x",
    )
