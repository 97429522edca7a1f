"""Keeps the clocks: closes windows, works off the queue, delivers messages, forgets what is too old.

Any number of processes may do so on one database, each for the streams of its own file: what two of them do has no
more effect than what one does. Work that fails is logged, counted and tried again later; it stops no other.
"""

from drift.scheduler.clocks import CLOCKS, Scheduler
from drift.scheduler.service import Service, Stopped, Tally
from drift.scheduler.work import BATCH, GIVE_UP_AFTER, diagnose_one, work_once

__all__ = ["BATCH", "CLOCKS", "GIVE_UP_AFTER", "Scheduler", "Service", "Stopped", "Tally", "diagnose_one", "work_once"]
