"""Keeps the clocks: closes windows, works off the queue, delivers messages, forgets what is too old.

Any number of processes may do so on one database, each for the streams of its own file: what two of them do has no
more effect than what one does. Work that fails is logged, counted and tried again later; it stops no other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Lock
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from drift.notify.base import Notifier
from drift.notify.mlflow import RegistryKey
from drift.notify.peer import Peer
from drift.notify.silences import Silencer
from drift.pipeline import deliver, diagnose, measure, silence
from drift.pipeline import digest as digests
from drift.pipeline.monitor import Monitor
from drift.store import diagnoses, jobs, retention
from drift.store.connect import Connection, Engine
from drift.store.jobs import Job

log = structlog.get_logger()
BATCH: Final = 16  # windows of one stream in one transaction
GIVE_UP_AFTER: Final = 8  # attempts at one window, two minutes in all
CLOCKS: Final = ("close", "measure", "diagnose", "deliver", "resend", "silence", "digest", "environment", "forget")
POLL: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class Tally:
    """How often things went wrong since the process started, by name."""

    counts: dict[str, int] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    def add(self, name: str, times: int = 1) -> None:
        with self._turn:
            if times:
                self.counts[name] = self.counts.get(name, 0) + times


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the clocks drive. `failures` counts their work by clock, `refusals` batches by reason.

    `runbook_url` is what alerts about the service itself link to; "{alert}" in it stands for their name.
    `registry` proves that MLflow tells of a new version, where it may.
    """

    engine: Engine
    monitors: Mapping[str, Monitor]
    alertmanagers: Mapping[str, Peer]
    webhooks: Mapping[str, Notifier]
    resend: timedelta
    keep_vectors: timedelta
    keep_history: timedelta
    clock: Callable[[], datetime]
    silencers: Mapping[str, Silencer] = field(default_factory=dict)
    digest: digests.Schedule | None = None
    runbook_url: str = ""
    failures: Tally = field(default_factory=Tally)
    refusals: Tally = field(default_factory=Tally)
    registry: RegistryKey | None = None

    @property
    def objectives(self) -> frozenset[tuple[str, str]]:
        """The key of the stream and the name of each objective."""
        every = (slo for monitor in self.monitors.values() for slos in monitor.slos.values() for slo in slos)
        return frozenset((slo.stream, slo.name) for slo in every)

    @property
    def notifiers(self) -> dict[str, Notifier]:
        return {**self.alertmanagers, **self.webhooks}


class Stopped(Exception):  # noqa: N818  (a turn of events, no error)
    """The service ends: long work is to be given up."""


class Scheduler:
    """Runs a service until it is stopped."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stopping = Event()
        self._closers = [self._surviving("close", partial(self._close_windows, m)) for m in service.monitors.values()]
        clocks: tuple[tuple[str, Callable[[], None], timedelta], ...] = (
            ("close", self._close, POLL),
            ("measure", self._measure, POLL),
            ("diagnose", self._diagnose, POLL),
            *(("deliver", partial(self._deliver, name), POLL) for name in service.notifiers),
            ("resend", self._resend, service.resend),
            ("silence", self._silence, MINUTE),
            *((("digest", partial(self._digest, service.digest), MINUTE),) if service.digest else ()),
            *(("environment", partial(self._look, every), every) for every in self._intervals()),
            ("forget", self._forget, DAY),
        )
        # A thread for each, so that none waits for another: a few receivers that hang would stop everything else.
        threads = {"default": ThreadPoolExecutor(len(clocks))}
        self._clocks = BackgroundScheduler(timezone=UTC, executors=threads)
        for name, work, every in clocks:
            run = self._surviving(name, work)
            self._clocks.add_job(run, "interval", seconds=every.total_seconds(), coalesce=True, misfire_grace_time=None)
            if every > POLL:
                self._clocks.add_job(run, misfire_grace_time=None)  # at once: a slow clock's first turn is far away

    def start(self) -> None:
        self._clocks.start()

    def stop(self) -> None:
        """Let running work end, then stop. What is unfinished goes on at the next start."""
        self._stopping.set()
        self._clocks.shutdown(wait=True)

    def _surviving(self, name: str, work: Callable[[], None]) -> Callable[[], None]:
        """`work`, whose failures are counted; the log tells of the first in a row, and of the end of the row."""
        failing = Event()

        def run() -> None:
            try:
                work()
            except Exception:
                self._service.failures.add(name)
                if not failing.is_set():
                    log.exception("clock failed", clock=name)
                failing.set()
            else:
                if failing.is_set():
                    log.info("clock works again", clock=name)
                failing.clear()

        return run

    def _close(self) -> None:
        for close in self._closers:
            close()

    def _close_windows(self, monitor: Monitor) -> None:
        with self._service.engine.begin() as conn:
            closed = measure.queue_closed(conn, monitor, now=self._service.clock())
        if closed > 1:
            log.info("windows made up for", stream=monitor.stream.key, windows=closed)

    def _measure(self) -> None:
        while not self._stopping.is_set() and work_once(self._service):
            pass

    def _diagnose(self) -> None:
        while not self._stopping.is_set() and diagnose_one(self._service, self._go_on):
            pass

    def _go_on(self, _: str) -> None:
        """A diagnosis takes up to a minute, and begins anew at the next start."""
        if self._stopping.is_set():
            raise Stopped

    def _deliver(self, receiver: str) -> None:
        """Each receiver has a clock of its own, so that one that does not answer delays no other."""
        service, notifier = self._service, self._service.notifiers[receiver]
        while not self._stopping.is_set():
            with service.engine.begin() as conn:
                if not deliver.deliver_one(conn, receiver, notifier, resend=service.resend, now=service.clock()):
                    break
        if (peer := service.alertmanagers.get(receiver)) is not None:
            while not self._stopping.is_set() and peer.tell_next(now=service.clock(), resend=service.resend):
                pass

    def _resend(self) -> None:
        service, now, url = self._service, self._service.clock(), self._service.runbook_url
        known, webhooks = service.objectives, service.webhooks
        deliver.resend(service.engine, service.alertmanagers, known, webhooks, runbook_url=url, now=now)

    def _silence(self) -> None:
        failed = silence.reconcile(self._service.engine, self._service.silencers, now=self._service.clock())
        self._service.failures.add("silence", failed)

    def _digest(self, schedule: digests.Schedule) -> None:
        with self._service.engine.begin() as conn:
            digests.write(conn, schedule, now=self._service.clock())

    def _intervals(self) -> set[timedelta]:
        """How often environments are looked at: each stream says so for itself."""
        environments = [monitor.environment for monitor in self._service.monitors.values()]
        return {environment.every for environment in environments if environment is not None}

    def _look(self, every: timedelta) -> None:
        """See whether the encoders still give the references of the streams that ask for that `every` so often."""
        for monitor in self._service.monitors.values():
            if monitor.environment is not None and monitor.environment.every == every:
                monitor.environment.look(monitor.references.values())

    def _forget(self) -> None:
        service, now = self._service, self._service.clock()
        with service.engine.begin() as conn:
            retention.forget(conn, vectors=now - service.keep_vectors, history=now - service.keep_history, now=now)


def work_once(service: Service) -> bool:
    """Measure the oldest due windows of one stream; False when nothing is due.

    A failure undoes their writes and sets the oldest back, until it is given up and stored as a gap.
    """
    now = service.clock()
    with service.engine.begin() as conn:
        job = jobs.claim(conn, streams=list(service.monitors), now=now, most=BATCH)
        if job is None:
            return False
        monitor = service.monitors[job.stream]
        try:
            with conn.begin_nested():
                measure.measure_spans(conn, monitor, job.spans)
        except Exception as error:
            service.failures.add("measure")
            log.exception("windows failed", stream=job.stream, oldest=str(job.spans[0]), attempts=job.attempts + 1)
            _set_back(conn, monitor, job, error, now)
        else:
            jobs.finish(conn, job)
            log.info("windows measured", stream=job.stream, windows=len(job.spans), until=str(job.spans[-1].end))
    return True


def diagnose_one(service: Service, progress: Callable[[str], None]) -> bool:
    """Make the diagnosis that was asked for first; False when none is wanted. One that fails is kept with its error."""
    with service.engine.begin() as conn:
        request = diagnoses.claim(conn, names=list(service.monitors))
        if request is None:
            return False
        monitor = service.monitors[request.stream.partition("/")[0]]
        try:
            with conn.begin_nested():
                found = diagnose.make(conn, monitor, request, progress)
        except Stopped:
            return False
        except Exception as error:
            service.failures.add("diagnose")
            log.exception("diagnosis failed", stream=request.stream, span=str(request.span))
            found = diagnose.without(f"{type(error).__name__}: {error}")
        made = diagnose.keep(conn, request, found, now=service.clock())
    log.info("diagnosis made", stream=made.stream, span=str(made.span), cause=made.found.causes[0].cause)
    return True


def _set_back(conn: Connection, monitor: Monitor, job: Job, error: Exception, now: datetime) -> None:
    text = f"{type(error).__name__}: {error}"
    if job.attempts + 1 < GIVE_UP_AFTER:
        jobs.postpone(conn, job, until=now + POLL * 2**job.attempts, error=text)
        return
    oldest = Job(job.stream, job.spans[:1], job.attempts)
    measure.give_up(conn, monitor, oldest.spans[0], error=text)
    jobs.finish(conn, oldest)
