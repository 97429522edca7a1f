"""The clocks: each closes windows, works off the queue, delivers messages, or forgets what is too old."""

from collections.abc import Callable
from datetime import UTC, timedelta
from functools import partial
from threading import Event, Lock
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from drift.notify.peer import Peer
from drift.pipeline import canary, canary_inputs, deliver, gates, measure, silence
from drift.pipeline import digest as digests
from drift.pipeline.canary import Trial
from drift.pipeline.canary_inputs import CanaryInputs
from drift.pipeline.deliver import Standing
from drift.pipeline.monitor import Findings, Monitor
from drift.records import Span, Window
from drift.scheduler.gallery import Gallery
from drift.scheduler.service import Service, Stopped
from drift.scheduler.work import diagnose_one, work_once
from drift.store import encoders, retention
from drift.store.connect import UNREACHABLE
from drift.store.encoders import EncoderRow
from drift.store.patience import Patience

log = structlog.get_logger()
CLOCKS: Final = (
    "close",
    "measure",
    "diagnose",
    "deliver",
    "tell",
    "resend",
    "silence",
    "digest",
    "canary",
    "gate",
    "canary inputs",
    "environment",
    "encoders",
    "picture",
    "forget",
)
POLL: Final = timedelta(seconds=1)
TEN_SECONDS: Final = timedelta(seconds=10)
MINUTE: Final = timedelta(minutes=1)
PATIENCE: Final = timedelta(seconds=15)
DAY: Final = timedelta(days=1)


class Scheduler:
    """Runs a service until it is stopped."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stopping = Event()
        self._standing: Standing | None = None
        self._patience: Patience[Standing] = Patience(PATIENCE)
        self._asked: dict[str, Span] = {}
        self._told: list[EncoderRow] = []
        self._looked: dict[str, tuple[Span, Window, Findings]] = {}
        self._closers = [self._surviving("close", partial(self._close_windows, m)) for m in service.monitors.values()]
        clocks: tuple[tuple[str, Callable[[], None], timedelta], ...] = (
            ("close", self._close, POLL),
            ("measure", self._measure, POLL),
            ("diagnose", self._diagnose, POLL),
            *(("deliver", partial(self._deliver, name), POLL) for name in service.notifiers),
            *(("tell", partial(self._tell, peer), POLL) for peer in service.alertmanagers.values()),
            ("resend", self._resend, service.resend),
            ("silence", self._silence, MINUTE),
            *((("digest", partial(self._digest, service.digest), MINUTE),) if service.digest else ()),
            *(("canary", partial(self._advance, trial), TEN_SECONDS) for trial in service.trials),
            *((("gate", self._gate, TEN_SECONDS),) if service.gatekeepers else ()),
            *(("canary inputs", partial(self._ask, canary), POLL) for canary in service.canary_inputs.values()),
            *(("environment", partial(self._look, every), every) for every in self._intervals()),
            ("encoders", self._tell_encoders, MINUTE),
            *((("picture", partial(self._show, gallery), MINUTE),) if (gallery := self._gallery()) else ()),
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
        failing, turn = Event(), Lock()

        def run() -> None:
            if not turn.acquire(blocking=False):
                return  # a slow clock's first turn may last into its second, which is another job to the scheduler
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
            finally:
                turn.release()

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
        service, notifier, more = self._service, self._service.notifiers[receiver], True
        while more and not self._stopping.is_set():
            with service.engine.begin() as conn:
                more = deliver.deliver_one(conn, receiver, notifier, resend=service.resend, now=service.clock())

    def _tell(self, peer: Peer) -> None:
        """Apart from news, which need the database: what fires is repeated without it as well."""
        service = self._service
        while not self._stopping.is_set() and peer.tell_next(now=service.clock(), resend=service.resend):
            pass

    def _resend(self) -> None:
        service, now, url = self._service, self._service.clock(), self._service.runbook_url
        peers, known, webhooks = service.alertmanagers, service.objectives, service.webhooks
        read = partial(deliver.standing, service.engine, peers, known, webhooks, runbook_url=url, now=now)
        try:
            self._standing = self._patience.ask(read)
        except Exception as error:
            if self._standing is not None:  # whatever is wrong here, what fires must not end by it
                away = isinstance(error, UNREACHABLE)
                deliver.repeat(peers, self._standing, runbook_url=url, now=now, is_away=away)
            raise
        deliver.offer(peers, self._standing, runbook_url=url, now=now)

    def _silence(self) -> None:
        failed = silence.reconcile(self._service.engine, self._service.silencers, now=self._service.clock())
        self._service.failures.add("silence", failed)

    def _digest(self, schedule: digests.Schedule) -> None:
        with self._service.engine.begin() as conn:
            digests.write(conn, schedule, now=self._service.clock())

    def _advance(self, trial: Trial) -> None:
        with self._service.engine.begin() as conn:
            canary.advance(conn, trial, now=self._service.clock())

    def _gate(self) -> None:
        service, more = self._service, True
        while more and not self._stopping.is_set():
            try:
                more = gates.judge_one(service.engine, service.gatekeepers, partial(self._go_on, ""), service.clock)
            except Stopped:
                return  # it is run anew at the next start

    def _gallery(self) -> Gallery | None:
        painter = self._service.painter
        return Gallery(self._service, painter, partial(self._go_on, "")) if painter else None

    def _show(self, gallery: Gallery) -> None:
        more = True
        while more and not self._stopping.is_set():
            try:
                gallery.place()
                more = gallery.paint()
            except Stopped:
                return  # what is unfinished is begun anew at the next start

    def _ask(self, canary: CanaryInputs) -> None:
        """Look once in each slot. A clock for each, since an endpoint may take a minute to answer."""
        key, span = canary.monitor.stream.key, canary.due(self._service.clock())
        if self._asked.get(key) == span:
            return
        if (looked := self._looked.get(key)) is None or looked[0] != span:
            # Kept until it is stored: while the database is away the endpoint is not asked again and again.
            looked = self._looked[key] = (span, *canary.look(span))
        with self._service.engine.begin() as conn:
            canary_inputs.keep(conn, canary, *looked[1:])
        self._asked[key] = span
        del self._looked[key]

    def _intervals(self) -> set[timedelta]:
        """How often environments are looked at: each stream says so for itself."""
        environments = [monitor.environment for monitor in self._service.monitors.values()]
        return {environment.every for environment in environments if environment is not None}

    def _look(self, every: timedelta) -> None:
        """See whether the encoders still give the references of the streams that ask for that `every` so often."""
        for monitor in self._service.monitors.values():
            if monitor.environment is not None and monitor.environment.every == every:
                monitor.environment.look(monitor.references.values())

    def _tell_encoders(self) -> None:
        """Keep what encoding takes where the dashboard can see it."""
        service, now = self._service, self._service.clock()
        process = service.process
        rows = [
            EncoderRow(
                process, m.name, now, m.load_seconds, m.inputs, m.seconds, m.cost, e.gpu_memory, m.gpu_utilisation
            )
            for e in service.encoders
            for m in (e.meter,)
        ]
        done = [row.since(self._told[i] if self._told else None) for i, row in enumerate(rows)]
        with service.engine.begin() as conn:
            encoders.keep(conn, rows)
            encoders.add(conn, now.date(), done)
        self._told = rows

    def _forget(self) -> None:
        service, now = self._service, self._service.clock()
        with service.engine.begin() as conn:
            kept = {"vectors": now - service.keep_vectors, "history": now - service.keep_history}
            retention.forget(conn, **kept, now=now, objectives=service.objectives)
