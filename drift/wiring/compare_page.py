"""A comparison as one page, which needs nothing but itself. Whatever comes from outside is escaped here."""

from html import escape
from typing import Final

from drift import __version__
from drift.wiring.compare import Comparison
from drift.wiring.compare_plots import Figure, figures
from drift.wiring.compare_report import Grid, advice, grids, verdict

# Blue and vermilion after Okabe and Ito, lighter on dark.
STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dfe3e8;--ref:#0072b2;--cur:#d55e00;
--bad:#fbe9dd;--good:#e2f4ee}
@media(prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e6eaf0;--soft:#9aa5b3;--line:#2c343e;--ref:#56b4e9;
--cur:#f0883e;--bad:#43260f;--good:#0e3529}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1160px;padding:28px 24px 48px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0 0 12px}h2{font-size:17px;margin:34px 0 8px}h3{font-size:15px;margin:0 0 4px}
.verdict{padding:12px 16px;border-radius:8px;border-left:6px solid var(--ref);background:var(--good);font-size:17px;
overflow-wrap:anywhere}
.verdict.drift{border-color:var(--cur);background:var(--bad)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:28px 32px;margin-top:16px}
figure{margin:0}figcaption,.note{color:var(--soft);font-size:13.5px;margin:2px 0 0}
.key{margin:26px 0 0;color:var(--soft)}
.key i{display:inline-block;width:12px;height:12px;border-radius:6px;margin:0 6px 0 0}.key i+i{margin-left:18px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{text-align:left;padding:5px 14px 5px 8px;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:break-word}
th{color:var(--soft);font-weight:600;white-space:nowrap}tr.bad td{background:var(--bad)}
td:not(:last-child){white-space:nowrap}
svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif;fill:var(--ink)}
svg path{fill:none}.axis{stroke:var(--soft)}.rule{stroke:var(--line)}.tick{text-anchor:middle;fill:var(--soft)}
.tick.left{text-anchor:end}.name{text-anchor:middle}
.dots{stroke-width:4;stroke-linecap:round}.dots.ref{stroke-opacity:.35}.dots.cur{stroke-opacity:.75}
.dots.big{stroke-width:10;stroke-opacity:1}.rod{stroke-width:2;stroke-opacity:.4}.line{stroke-width:2}
.ref{stroke:var(--ref)}.cur{stroke:var(--cur)}svg .steps{stroke-width:1.6;fill-opacity:.16}
svg .steps.ref{fill:var(--ref)}svg .steps.cur{fill:var(--cur)}.line.cur{stroke-dasharray:7 3}
.mark{stroke:var(--ink);stroke-dasharray:4 3}
@media print{body{padding:0;max-width:none}.verdict,tr.bad td{print-color-adjust:exact}.wide{overflow:visible}
td:not(:last-child),th{white-space:normal}figure,tr{break-inside:avoid}h2,h3{break-after:avoid}}
"""


def page(found: Comparison) -> str:
    """The whole page as HTML."""
    style = "verdict drift" if found.reasons else "verdict"
    warnings = [found.warning] if found.warning else []
    notes = "".join(f'<p class="note">{escape(text)}</p>' for text in (*warnings, *advice(found)))
    files, *others = grids(found)
    names = f"{escape(found.request.current.name)} against {escape(found.request.reference.name)}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>drift: {names}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{names}</h1>"
        f'<p class="{style}">{escape(verdict(found))}</p>{notes}{as_table(files)}'
        f"{as_key('reference', 'current, and what is far out')}"
        f'<div class="plots">{"".join(map(as_figure, figures(found)))}</div>{"".join(map(as_table, others))}'
        f'<p class="note">drift {escape(__version__)}, seed {found.request.seed}</p></body></html>\n'
    )


def as_key(known: str, seen: str) -> str:
    """What the two colours stand for."""
    blue, red = (f'<i style="background:var(--{name})"></i>' for name in ("ref", "cur"))
    return f'<p class="key">{blue}{escape(known)} &emsp; {red}{escape(seen)}</p>'


def as_figure(one: Figure) -> str:
    """A figure with its title and words."""
    return f"<figure><h3>{escape(one.title)}</h3>{one.svg}<figcaption>{escape(one.words)}</figcaption></figure>"


def as_table(grid: Grid) -> str:
    """A table under its title."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in grid.heads)
    rows = "".join(
        f'<tr class="{"bad" if i in grid.bad else ""}">{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>'
        for i, row in enumerate(grid.rows)
    )
    note = f'<p class="note">{escape(grid.note)}</p>' if grid.note else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<h2>{escape(grid.title)}</h2><div class="wide">{table}</div>{note}'
