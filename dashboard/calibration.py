"""Whether a test keeps its level: how often healthy windows were bad, and what to do about it. Pure HTML."""

from collections.abc import Sequence
from html import escape

from dashboard import markup, words
from dashboard.standing import Standing
from drift.slo import Calibration
from drift.slo.calibration import ADVICE, LEVEL, OVER
from drift.store.reads import BudgetRow


def judged_by(budgets: Sequence[BudgetRow]) -> str:
    """Which p-value the newest window was judged by; "" where the objective is not calibrated on windows."""
    newest = budgets[-1].conformal if budgets else None
    return f'<p class="soft">The newest window was judged by {escape(str(newest))}.</p>' if newest else ""


def section(found: Calibration) -> str:
    """What was found in healthy windows, with a warning where more of them are bad than may be."""
    if not found.windows:
        return '<p class="soft">No healthy window in the last 30 days says how often this test alarms by chance.</p>'
    if not found.too_many:
        return f'<p class="soft">{escape(told(found))}</p>'
    chip = markup.chip(Standing.TICKET, "alarms too often")
    return (
        f'<section class="callout ticket">{chip}<p class="summary">{escape(told(found))}</p>'
        f"<p>{escape(ADVICE)}</p></section>"
    )


def told(found: Calibration) -> str:
    """The share of bad windows among healthy ones, against what is promised."""
    low, high = map(words.share, found.interval)
    over = f"{words.several(found.windows, 'healthy window')} of the last {words.length(OVER)}"
    return (
        f"Of {over}, {words.several(found.bad, 'was', 'were')} bad: {words.share(found.bad / found.windows)}, where "
        f"{words.share(found.alpha)} may be by chance. {words.share(LEVEL)} interval: {low} to {high}."
    )


def is_loud(found: Calibration | None) -> bool:
    """Whether a test alarms too often."""
    return found is not None and found.too_many
