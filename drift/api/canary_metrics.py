"""What Prometheus scrapes of candidates that serve beside their baselines."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from drift.pipeline.canary import Trial
from drift.records import CanaryState
from drift.store.canaries import of_ids
from drift.store.connect import Connection

_NAMES: Final = ("model_id", "baseline", "candidate")


def canary_metrics(conn: Connection, trials: Sequence[Trial]) -> Iterator[Metric]:
    """What was counted and decided of `trials`; of those that are over for good nothing."""
    state = GaugeMetricFamily("drift_canary_state", "1 for what is decided.", labels=(*_NAMES, "state"))
    pairs = GaugeMetricFamily("drift_canary_pairs", "Inputs that both versions served.", labels=_NAMES)
    bound = GaugeMetricFamily(
        "drift_canary_difference_ratio",
        "Bounds of the difference, candidate less baseline, at all times together.",
        labels=(*_NAMES, "signal", "bound"),
    )
    for one in of_ids(conn, {trial.id for trial in trials}):
        names = (one.model, one.baseline, one.candidate)
        pairs.add_metric(names, one.pairs)
        for each in CanaryState:
            state.add_metric((*names, each), int(one.state is each))
        for at in one.tallies:
            bound.add_metric((*names, at.name, "low"), at.low)
            bound.add_metric((*names, at.name, "high"), at.high)
    yield from (state, pairs, bound)
