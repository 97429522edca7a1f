"""What Prometheus is told of each objective: its measurements, bounds, verdicts, budget and calibration."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from drift.scheduler import Service
from drift.slo import BudgetingMethod, Outcome
from drift.store import objectives, reads, views
from drift.store.connect import Connection

_SLO: Final = ("model_id", "job_id", "slo")


def objective_metrics(conn: Connection, service: Service) -> Iterator[Metric]:
    """Of each objective that is configured from the start, of what is measured from its first measurement on."""
    slots = CounterMetricFamily("drift_evaluations", "Windows with a verdict.", labels=_SLO)
    bad = CounterMetricFamily("drift_evaluations_bad", "Windows with the verdict bad.", labels=_SLO)
    events = CounterMetricFamily("drift_events", "Rows or answers of objectives that count them.", labels=_SLO)
    bad_events = CounterMetricFamily("drift_events_bad", "Those of them that were bad.", labels=_SLO)
    interval = GaugeMetricFamily("drift_evaluation_interval_seconds", "Length of a window.", labels=_SLO)
    missing = GaugeMetricFamily("drift_missing_windows", "Newest windows in a row without data.", labels=_SLO)
    few = GaugeMetricFamily("drift_insufficient_windows", "Newest windows in a row with too few rows.", labels=_SLO)
    bound = GaugeMetricFamily(
        "drift_sli_threshold",
        "The bound that a good window keeps: of its drift_sli_value, or of its drift_sli_p_value_ratio.",
        labels=(*_SLO, "detector", "quantity", "bound"),
    )
    tallies = objectives.tallies(conn)
    models = _models(service)
    for monitor in service.monitors.values():
        for slos in monitor.slos.values():
            for slo in slos:
                names = (models[slo.stream], slo.stream, slo.name)
                tally = tallies.get((slo.stream, slo.name), objectives.Tally())
                slots.add_metric(names, tally.verdicts)
                bad.add_metric(names, tally.bad)
                missing.add_metric(names, tally.missing)
                few.add_metric(names, tally.insufficient)
                interval.add_metric(names, slo.interval.total_seconds())
                for side, limit in (("at_least", slo.sli.at_least), ("at_most", slo.sli.at_most)):
                    if limit is not None:
                        bound.add_metric((*names, slo.sli.detector, slo.sli.quantity, side), limit)
                if slo.method is BudgetingMethod.OCCURRENCES:
                    events.add_metric(names, tally.events)
                    bad_events.add_metric(names, tally.bad_events)
    yield from (slots, bad, events, bad_events, interval, missing, few, bound)
    yield from _of_budgets(conn, service)
    yield from _of_calibrations(conn, service)
    yield from _of_measurements(conn, service)


def _of_budgets(conn: Connection, service: Service) -> Iterator[Metric]:
    left = GaugeMetricFamily(
        "drift_error_budget_remaining_ratio", "Share of the error budget that is left.", labels=_SLO
    )
    burn = GaugeMetricFamily(
        "drift_burn_rate_ratio", "Burn of the rule nearest to firing.", labels=(*_SLO, "look_back")
    )
    last = GaugeMetricFamily(
        "drift_evaluation_last_timestamp_seconds", "End of the newest window that was counted.", labels=_SLO
    )
    verdict = GaugeMetricFamily(
        "drift_evaluation_outcome", "1 for what the newest window was.", labels=(*_SLO, "outcome")
    )
    models = _models(service)
    for row in reads.latest_budgets(conn):
        if row.stream in models:
            names = (models[row.stream], row.stream, row.slo)
            left.add_metric(names, row.remaining)
            burn.add_metric((*names, "long"), row.burn_long)
            burn.add_metric((*names, "short"), row.burn_short)
            last.add_metric(names, row.span.end.timestamp())
            for outcome in Outcome:
                verdict.add_metric((*names, outcome), float(row.outcome is outcome))
    yield from (left, burn, last, verdict)


def _of_calibrations(conn: Connection, service: Service) -> Iterator[Metric]:
    windows = GaugeMetricFamily(
        "drift_calibration_windows", "Windows of the last 30 days outside of firing alerts.", labels=_SLO
    )
    bad = GaugeMetricFamily("drift_calibration_bad_windows", "Those of them that were bad.", labels=_SLO)
    expected = GaugeMetricFamily(
        "drift_calibration_expected_ratio", "Share of them that may be bad by chance.", labels=_SLO
    )
    models = _models(service)
    for (stream, slo), found in objectives.calibrations(conn, now=service.clock()).items():
        if stream in models:
            names = (models[stream], stream, slo)
            windows.add_metric(names, found.windows)
            bad.add_metric(names, found.bad)
            expected.add_metric(names, found.alpha)
    yield from (windows, bad, expected)


def _of_measurements(conn: Connection, service: Service) -> Iterator[Metric]:
    labels = ("model_id", "job_id", "detector")
    value = GaugeMetricFamily("drift_sli_value", "The newest value, in the detector's own unit.", labels=labels)
    p_value = GaugeMetricFamily("drift_sli_p_value_ratio", "The newest p-value.", labels=labels)
    models = _models(service)
    monitors = service.measured
    pairs = [(part.key, name) for m in monitors for part in m.parts for name in m.measured_names]
    for m in views.latest_measurements(conn, pairs):
        names = (models[m.stream], m.stream, m.detector)
        value.add_metric(names, m.value)
        if m.p_value is not None:
            p_value.add_metric(names, m.p_value)
    yield from (value, p_value)


def _models(service: Service) -> dict[str, str]:
    return {part.key: part.model for m in service.measured for part in m.parts}
