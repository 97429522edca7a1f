"""Answers that are kept for all visitors: which stay, who waits, and what a fault leaves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError

import pytest

from dashboard.kept import Kept
from drift.errors import StoreError

SECOND, MINUTE, NONE = timedelta(seconds=1), timedelta(minutes=1), timedelta()


def ask(kept: Kept, key: str, says: Callable[[], object] = object, ttl: timedelta = MINUTE, pause: timedelta = NONE):
    return kept.answer(key, says, ttl=ttl, pause=pause)


def test_what_serves_for_long_outlives_what_is_asked_each_second():
    kept = Kept(3)
    dear = ask(kept, "dear").value
    for i in range(9):
        ask(kept, f"cheap {i}", ttl=SECOND)
    assert ask(kept, "dear").value is dear
    last = ask(kept, "cheap 8").value
    assert ask(kept, "cheap 8").value is last  # and of the others the newest stay


def test_an_answer_that_has_served_its_time_goes_before_any_that_has_not():
    kept = Kept(2)
    one = ask(kept, "one").value
    ask(kept, "over", ttl=NONE)
    other = ask(kept, "other").value
    assert (ask(kept, "one").value, ask(kept, "other").value) == (one, other)


def test_who_asks_what_is_being_asked_gets_that_answer_and_holds_up_nobody_else():
    kept, asked, meeting = Kept(4), [], Barrier(2)

    def slow() -> object:
        asked.append(1)
        with suppress(BrokenBarrierError):
            meeting.wait(0.5)  # as long as nobody else asks the same
        return ask(kept, "other", lambda: 7).value

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, kept, "slow", slow) for _ in range(2)]
        assert [one.result(30).value for one in answers] == [7, 7]
    assert len(asked) == 1


def test_after_a_fault_there_is_a_pause_with_what_was_known_before():
    kept, asked = Kept(4), []

    def fails() -> object:
        asked.append(1)
        raise StoreError("away")

    for _ in range(2):
        with pytest.raises(StoreError, match="away"):
            ask(kept, "never known", fails, pause=MINUTE)
    assert len(asked) == 1
    ask(kept, "known", lambda: 7, ttl=NONE)
    for _ in range(2):
        shown = ask(kept, "known", fails, pause=MINUTE)
        assert (shown.value, shown.fault) == (7, "away")
    assert len(asked) == 2
    with pytest.raises(StoreError):
        ask(kept, "other", fails)
    assert ask(kept, "other", lambda: 8).value == 8  # once the pause is over
