"""Pictures of references and the windows in them, a bounded time in each turn: nothing waits for a picture."""

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from drift.pipeline import pictures
from drift.pipeline.pictures import Painter
from drift.records import Span
from drift.scheduler.service import Service
from drift.store import windows

TURN: Final = timedelta(seconds=10)


class Gallery:
    """The pictures of a service's references. `go_on` raises what ends long work.

    One that cannot be fitted is tried again by the next process that starts.
    """

    def __init__(self, service: Service, painter: Painter, go_on: Callable[[], None]) -> None:
        self._service, self._painter, self._go_on = service, painter, go_on
        self._references = {key: held for monitor in service.measured for key, held in monitor.references.items()}
        self._failed: set[str] = set()
        self._turns = deque(self._references)
        self._placed: dict[str, Span] = {}

    def paint(self) -> bool:
        """Fit the next picture; False where none is left to be tried."""
        service = self._service
        left = {key: held for key, held in self._references.items() if key not in self._failed}
        picture = pictures.paint_one(service.engine, left, self._painter, self._go_on, service.clock)
        if picture is None:
            return False
        if not picture.is_fitted:
            self._failed.add(picture.stream)
        self._placed.pop(picture.stream, None)
        return True

    def place(self) -> None:
        """Place what has come since the last turn, for `TURN` at most; some of each stream, in turn."""
        until, idle = self._service.clock() + TURN, 0
        while idle < len(self._turns) and self._service.clock() < until:
            self._go_on()
            idle = 0 if self._place(self._turns[0]) else idle + 1
            self._turns.rotate(-1)

    def _place(self, key: str) -> bool:
        """Place some windows of a stream; False where none is left."""
        with self._service.engine.begin() as conn:
            newest = windows.newest(conn, key)
            if newest is None or self._placed.get(key) == newest:
                return False
            if pictures.place_some(conn, key, self._references[key]):
                return True
        self._placed[key] = newest
        return False
