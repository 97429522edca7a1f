"""Questions to Postgres that end, also where its server is there and does nothing."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from threading import Thread
from typing import Generic, TypeVar

from drift.store.connect import PoolTimeoutError

T = TypeVar("T")


class Patience(Generic[T]):
    """Asks in a thread of its own, and waits no longer than `within`.

    A server that is frozen, or whose disk hangs, keeps its connections: TCP is answered by the kernel, and the server's
    own timeouts need the server. While one question hangs no other is asked: its answer, when it comes, is the next.
    """

    def __init__(self, within: timedelta) -> None:
        self._within = within
        self._asked: Future[T] | None = None

    def ask(self, question: Callable[[], T]) -> T:
        """The answer.

        Raises:
            PoolTimeoutError: there is none in time; one of `UNREACHABLE`.
        """
        if self._asked is None:
            self._asked = asking(question)
        try:
            return self._asked.result(self._within / timedelta(seconds=1))
        except TimeoutError:
            raise PoolTimeoutError(f"Postgres has been asked, and has not answered within {self._within}") from None
        finally:
            if self._asked.done():
                self._asked = None


def asking(question: Callable[[], T]) -> Future[T]:
    """The answer to come, of a thread that is a daemon: what hangs must not keep the process from its end."""
    future: Future[T] = Future()
    Thread(target=_answer, args=(future, question), daemon=True).start()
    return future


def _answer(future: Future[T], question: Callable[[], T]) -> None:
    try:
        future.set_result(question())
    except BaseException as error:  # noqa: BLE001  # raised where it is asked for
        future.set_exception(error)
