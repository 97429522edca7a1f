"""What Prometheus scrapes. Read from Postgres at each scrape: replicas agree and nothing is stale."""

import time
from collections.abc import Iterator
from threading import Lock
from typing import Final

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from drift import __version__
from drift.alert import AlertState
from drift.api.canary_metrics import canary_metrics
from drift.api.objective_metrics import objective_metrics
from drift.records import IN_FLIGHT
from drift.scheduler import CLOCKS, Scheduler, Service
from drift.slo import Severity
from drift.store import endpoints, operations, reads, retrains
from drift.store.connect import UNREACHABLE, Connection, DBAPIError

log = structlog.get_logger()
CACHE_SECONDS: Final = 5.0
UNKNOWN_STREAM, UNREADABLE, TOO_LARGE = REFUSALS = ("unknown_stream", "unreadable", "too_large")


class Exporter(Collector):
    """Yields the state of the service; `drift_up` is 0 when Postgres cannot be read. Answers are kept for 5 s."""

    def __init__(self, service: Service, scheduler: Scheduler) -> None:
        self._service = service
        self._scheduler = scheduler
        self._turn = Lock()
        self._made_at = float("-inf")
        self._families: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        with self._turn:
            if time.monotonic() - self._made_at > CACHE_SECONDS:
                self._families, self._made_at = self._read(), time.monotonic()
            families = self._families
        yield from families

    def _read(self) -> list[Metric]:
        up = GaugeMetricFamily("drift_up", "1 when the database can be read.")
        found = [up, *self._of_process(), *self._of_peers(), *self._of_encoders()]
        try:
            with self._service.engine.connect() as conn:
                found += [*objective_metrics(conn, self._service), *self._of_alerts(conn), *self._of_queues(conn)]
                found += self._of_retraining(conn)
                found += canary_metrics(conn, self._service.trials)
        except (DBAPIError, *UNREACHABLE):
            log.exception("metrics not read")
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
        return found

    def _of_process(self) -> Iterator[Metric]:
        build = InfoMetricFamily("drift_build", "The version that runs.")
        build.add_metric([], {"version": __version__})
        yield build
        failed = CounterMetricFamily("drift_clock_failures", "Runs of a clock's work that failed.", labels=["clock"])
        for clock in CLOCKS:
            failed.add_metric([clock], self._service.failures.counts.get(clock, 0))
        yield failed
        refused = CounterMetricFamily("drift_batches_refused", "Batches that were refused whole.", labels=["reason"])
        for reason in REFUSALS:
            refused.add_metric([reason], self._service.refusals.counts.get(reason, 0))
        yield refused

    def _of_peers(self) -> Iterator[Metric]:
        """What this process told each Alertmanager; an alert that is repeated counts each time."""
        names = ["peer"]
        sent = CounterMetricFamily("drift_notifications_sent", "Alerts that it took.", labels=names)
        failed = CounterMetricFamily(
            "drift_notifications_failed", "Alerts in requests that failed; they are tried again.", labels=names
        )
        dropped = CounterMetricFamily(
            "drift_notifications_dropped", "Alerts that found no place in the queue.", labels=names
        )
        invalid = CounterMetricFamily("drift_notifications_invalid", "Alerts that it refused for good.", labels=names)
        length = GaugeMetricFamily("drift_notifications_queue_length", "Alerts that wait to be sent.", labels=names)
        room = GaugeMetricFamily("drift_notifications_queue_capacity", "How many may wait.", labels=names)
        skew = GaugeMetricFamily(
            "drift_notifications_clock_skew_seconds", "How far its clock is ahead of ours.", labels=names
        )
        for name, peer in self._service.alertmanagers.items():
            sent.add_metric([name], peer.counts.sent)
            failed.add_metric([name], peer.counts.failed)
            dropped.add_metric([name], peer.counts.dropped)
            invalid.add_metric([name], peer.counts.invalid)
            length.add_metric([name], len(peer))
            room.add_metric([name], peer.capacity)
            if peer.look.skew is not None:
                skew.add_metric([name], peer.look.skew.total_seconds())
        yield from (sent, failed, dropped, invalid, length, room, skew)

    def _of_encoders(self) -> Iterator[Metric]:
        """What encoding takes in this process; what was remembered takes nothing."""
        names = ["encoder"]
        inputs = CounterMetricFamily("drift_encoder_inputs", "Inputs that were encoded.", labels=names)
        busy = CounterMetricFamily("drift_encoder_busy_seconds", "Time spent encoding them.", labels=names)
        cost = CounterMetricFamily("drift_encoder_cost", "The same at `price_per_hour`.", labels=names)
        million = GaugeMetricFamily(
            "drift_encoder_cost_per_million_inputs", "What a million cost at the pace so far.", labels=names
        )
        load = GaugeMetricFamily("drift_encoder_load_seconds", "Time that loading the model took.", labels=names)
        memory = GaugeMetricFamily("drift_encoder_gpu_memory_bytes", "GPU memory at most, 0 on a CPU.", labels=names)
        busy_gpu = GaugeMetricFamily(
            "drift_encoder_gpu_utilisation_ratio",
            "Share of NVML's last sample period in which the GPU ran kernels, when last encoding. Absent if unknown.",
            labels=names,
        )
        for encoder in self._service.encoders:
            meter = encoder.meter
            inputs.add_metric([meter.name], meter.inputs)
            busy.add_metric([meter.name], meter.seconds)
            cost.add_metric([meter.name], meter.cost)
            million.add_metric([meter.name], meter.cost_per_million)
            load.add_metric([meter.name], meter.load_seconds)
            memory.add_metric([meter.name], encoder.gpu_memory)
            if meter.gpu_utilisation is not None:
                busy_gpu.add_metric([meter.name], meter.gpu_utilisation)
        yield from (inputs, busy, cost, million, load, memory, busy_gpu)

    def _of_alerts(self, conn: Connection) -> Iterator[Metric]:
        firing = GaugeMetricFamily("drift_alerts_firing", "Alerts that fire.", labels=["severity"])
        alerts = reads.alerts(conn, states=(AlertState.FIRING,), limit=10_000)
        for severity in Severity:
            firing.add_metric([severity], sum(row.alert.kind.severity is severity for row in alerts))
        yield firing

    def _of_queues(self, conn: Connection) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("drift_windows_waiting", "Closed windows that wait.", labels=["job_id"])
        behind = {row.stream: row.windows for row in operations.queue(conn)}
        for name in self._service.monitors:
            waiting.add_metric([name], behind.get(name, 0))
        messages = GaugeMetricFamily("drift_messages", "Messages by state.", labels=["receiver", "state"])
        for receiver, state, number in reads.message_counts(conn):
            messages.add_metric([receiver, state], number)
        yield from (waiting, messages)

    def _of_retraining(self, conn: Connection) -> Iterator[Metric]:
        disabled = GaugeMetricFamily("drift_receiver_disabled", "1 where a webhook answered 410.", labels=["receiver"])
        known = endpoints.endpoints(conn)
        for name in self._service.webhooks:
            row = known.get(name)
            disabled.add_metric([name], int(row is not None and row.disabled_at is not None))
        open_ = GaugeMetricFamily("drift_retrains_open", "Requests to retrain that are not closed.", labels=["state"])
        found = retrains.counts(conn, IN_FLIGHT)
        for state in IN_FLIGHT:
            open_.add_metric([state], found.get(state, 0))
        yield from (disabled, open_)
