"""Questions to the database that end, also where its server is there and does nothing."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Final, TypeVar, cast

from drift.errors import StoreError
from drift.store.patience import asking

T = TypeVar("T")
BRIEFLY: Final = 1.0  # seconds, for a server that is silent: a page asks several questions, one after another


@dataclass(frozen=True, slots=True)
class _Asked:
    answer: Future[object]
    at: float


class Questions:
    """Asks each question in a thread of its own, and has nobody wait for longer than `within`.

    Whoever asks what is being asked gets the same answer. A question that hangs is left alone: it is not asked again
    before it ends, and what it says then is for nobody, for it may be old.
    """

    def __init__(self, where: str, within: timedelta) -> None:
        self._where, self._within = where, within.total_seconds()
        self._asked: dict[Hashable, _Asked] = {}
        self._answered = monotonic()
        self._turn = Lock()

    def ask(self, key: Hashable, question: Callable[[], T]) -> T:
        """The answer to `question`, which `key` names.

        Raises:
            StoreError: there is none in time.
        """
        with self._turn:
            self._asked = {known: each for known, each in self._asked.items() if not each.answer.done()}
            patience = BRIEFLY if self._is_silent() else self._within
            if key not in self._asked:
                self._asked[key] = _Asked(cast(Future[object], asking(question)), monotonic())
            answer = self._asked[key].answer
        try:
            return cast(T, answer.result(patience))
        except TimeoutError:
            raise StoreError(
                f"Postgres at {self._where} does not answer: it was asked, and has said nothing for {patience:g} s"
            ) from None
        finally:
            if answer.done():
                self._answered = monotonic()

    def _is_silent(self) -> bool:
        """Whether a question is overdue, and no other has been answered since it was asked."""
        late = monotonic() - self._within
        return any(self._answered < each.at <= late for each in self._asked.values())
