"""Whether a window was good: by its measurement, or by its rank among past windows where an objective asks for that."""

from dataclasses import dataclass, replace

from drift.pipeline.monitor import Findings, Monitor
from drift.records import Measurement
from drift.slo import Conformal, Outcome, Past, Slo, conformal
from drift.store import objectives
from drift.store.connect import Connection


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a window, and the measurement it was judged by, its p-value the one that was judged.

    `conformal` says where that p-value comes from, for objectives that are calibrated on windows.
    """

    outcome: Outcome
    measurement: Measurement | None = None
    conformal: Conformal | None = None


def judge(conn: Connection, monitor: Monitor, slo: Slo, findings: Findings) -> Verdict:
    """The verdict of `slo` on what was found in a window; none in maintenance, of which the measurement is kept."""
    found = _judged(conn, monitor, slo, findings)
    return replace(found, outcome=Outcome.EXCLUDED) if findings.suppressed_by else found


def _judged(conn: Connection, monitor: Monitor, slo: Slo, findings: Findings) -> Verdict:
    measured = findings.of(slo.sli.detector)
    if measured is None or measured.p_value is None or not slo.sli.calibrated:
        return Verdict(findings.outcome(slo), measured)
    calibrated = [other.name for other in monitor.slos[slo.stream] if other.sli.calibrated]
    past = objectives.past(conn, slo, measured, calibrated)
    found = conformal(slo.sli, Past(measured.span.start, measured.p_value), past)
    if found.p_value is not None:
        measured = replace(measured, p_value=found.p_value)
    return Verdict(slo.sli.judge(measured), measured, found)
