"""Answers that serve for a while, and what was known last where there is no newer one."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Final, TypeVar, cast
from weakref import WeakValueDictionary

from dashboard.answers import Shown
from drift.errors import PrometheusError, StoreError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer, or a fault, of the moment `at` of the process's clock; it serves until `until`."""

    value: object
    at: float
    until: float


class Kept:
    """Answers by question, at most `most`: the one goes first that has served its time first.

    Whoever asks what is being asked waits for that answer.
    """

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._answers: dict[Hashable, _Known] = {}
        self._faults: dict[Hashable, _Known] = {}
        self._changing = Lock()
        self._turns: WeakValueDictionary[Hashable, Lock] = WeakValueDictionary()

    def answer(self, key: Hashable, ask: Callable[[], T], *, ttl: timedelta, pause: timedelta) -> Shown[T]:
        """What `ask` says, or said at most `ttl` ago; after a fault it is not asked again for as long as `pause`.

        Raises:
            StoreError: there is no answer, and never was one.
            PrometheusError: the same.
        """
        with self._changing:
            turn = self._turns.setdefault(key, Lock())
        with turn:
            at, known = monotonic(), self._answers.get(key)
            if known is not None and at < known.until:
                return _shown(cast(T, known.value), known.at)
            failed = self._faults.get(key)
            if failed is None or at >= failed.until:
                try:
                    value = ask()
                except (StoreError, PrometheusError) as error:
                    failed = _Known(error, at, monotonic() + pause.total_seconds())
                    self._keep(self._faults, key, failed)
                else:
                    self._keep(self._answers, key, _Known(value, at, at + ttl.total_seconds()))
                    return Shown(value, timedelta())
            fault = cast(StoreError | PrometheusError, failed.value)
            if known is None:
                raise fault
            return _shown(cast(T, known.value), known.at, str(fault))

    def _keep(self, among: dict[Hashable, _Known], key: Hashable, known: _Known) -> None:
        with self._changing:
            among[key] = known
            while len(among) > self._most:
                del among[min(among, key=lambda each: among[each].until)]


def _shown(value: T, at: float, fault: str = "") -> Shown[T]:
    return Shown(value, timedelta(seconds=monotonic() - at), fault)
