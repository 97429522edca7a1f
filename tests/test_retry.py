"""The waits between attempts, as numbers."""

from datetime import timedelta

import pytest

from drift.notify.retry import ALERT_RETRY_SCHEDULE, RETRY_SCHEDULE, retry_delay


def test_attempts_follow_the_schedule_of_standard_webhooks():
    delays = [retry_delay(made, jitter=0) for made in range(10)]
    at = [sum(delays[: made + 1], timedelta(0)).total_seconds() for made in range(10)]
    assert at == [0, 5, 305, 2105, 9305, 27305, 63305, 113705, 185705, 272105]
    assert retry_delay(10, jitter=0) is None
    assert retry_delay(99, jitter=1) is None


def test_jitter_moves_a_wait_by_a_fifth_at_most():
    assert [retry_delay(2, jitter=j) for j in (-1, -0.5, 1)] == [timedelta(seconds=s) for s in (240, 270, 360)]
    assert retry_delay(0, jitter=1) == timedelta(0)


def test_alerts_are_given_up_after_four_attempts():
    delays = [retry_delay(made, jitter=0, schedule=ALERT_RETRY_SCHEDULE) for made in range(5)]
    assert delays == [*(timedelta(seconds=s) for s in (0, 5, 15, 60)), None]
    assert len(RETRY_SCHEDULE) == 10


@pytest.mark.parametrize(("attempts", "jitter"), [(-1, 0), (0, 1.01), (0, -2), (0, float("nan"))])
def test_nonsense_has_no_delay(attempts, jitter):
    with pytest.raises(ValueError, match="jitter"):
        retry_delay(attempts, jitter=jitter)
