"""Works off what is queued: windows to be measured, diagnoses to be made."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from drift.pipeline import diagnose, measure
from drift.pipeline.monitor import Monitor
from drift.scheduler.service import Service, Stopped
from drift.store import diagnoses, jobs
from drift.store.connect import Connection
from drift.store.jobs import Job

log = structlog.get_logger()
BATCH: Final = 16  # windows of one stream in one transaction
GIVE_UP_AFTER: Final = 8  # attempts at one window, two minutes in all
FIRST_PAUSE: Final = timedelta(seconds=1)


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
        monitor = service.monitor_of(request.stream)
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
        jobs.postpone(conn, job, until=now + FIRST_PAUSE * 2**job.attempts, error=text)
        return
    oldest = Job(job.stream, job.spans[:1], job.attempts)
    measure.give_up(conn, monitor, oldest.spans[0], error=text)
    jobs.finish(conn, oldest)
