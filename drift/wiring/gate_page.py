"""A decision of the gate as one page, which needs nothing but itself. Whatever comes from outside is escaped here."""

from html import escape

from drift import __version__
from drift.gate.thresholds import Verdict
from drift.wiring.compare_page import STYLE, as_figure, as_key, as_table
from drift.wiring.compare_report import Grid
from drift.wiring.gate import Found, Request
from drift.wiring.gate_plots import figures
from drift.wiring.gate_report import HEADS, cells, headline, notes


def page(found: Found, request: Request) -> str:
    """The whole page as HTML."""
    decision, title = found.decision, escape(headline(found.decision, request))
    style = "verdict" if decision.verdict is Verdict.PASS else "verdict drift"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in decision.reasons)
    said = "".join(f'<p class="note">{escape(text)}</p>' for text in notes(decision))
    bad = frozenset(i for i, check in enumerate(decision.checks) if check.verdict is not Verdict.PASS)
    table = Grid("Checks", HEADS, tuple(map(cells, decision.checks)), bad)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>drift gate: {title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>drift gate</h1>"
        f'<p class="{style}">{title}</p><ol>{reasons}</ol>{said}{as_table(table)}{as_key("baseline", "candidate")}'
        f'<div class="plots">{"".join(map(as_figure, figures(found)))}</div>'
        f'<p class="note">drift {escape(__version__)}, seed {request.seed}</p></body></html>\n'
    )
