"""How long an end is repeated, by the silences that a real Alertmanager tells of."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import Receiver, Reply, alertmanager

from drift.errors import DeliveryError
from drift.notify.alertmanager import Alertmanager
from drift.notify.muting import REMEMBERED, RESOLVED_FOR, Matcher, Silence, repeated_until, still_repeated

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LABELS = {"model_id": "m", "slo": "traffic"}
ALL = (Matcher("model_id", "m"),)


def hours(number: float) -> datetime:
    return NOW + timedelta(hours=number)


@pytest.mark.parametrize(
    ("silences", "until"),
    [
        ([], 0),
        ([(-1, 3)], 3),
        ([(-2, -1)], 0),  # over before the alert was
        ([(0.1, 3)], 3),  # began while its end was still being told
        ([(1, 3)], 0),  # began when its end had been told
        ([(-1, 3), (3, 5)], 5),
        ([(3.1, 5), (-1, 3)], 5),  # the end was still being repeated when the second began
        ([(-1, 3), (4, 5)], 3),
    ],
)
def test_an_end_is_repeated_for_a_quarter_of_an_hour_after_the_last_silence_that_covered_it(silences, until):
    given = [Silence(ALL, hours(start), hours(end)) for start, end in silences]
    assert repeated_until(LABELS, NOW, given) == hours(until) + RESOLVED_FOR
    others = [Silence((Matcher("model_id", "other"),), silence.starts_at, silence.ends_at) for silence in given]
    assert repeated_until(LABELS, NOW, others) == NOW + RESOLVED_FOR


SPANS = st.tuples(st.integers(-600, 60), st.integers(0, 300))


@given(st.lists(SPANS, max_size=6), st.integers(-900, 0))
def test_no_end_that_is_to_be_repeated_is_older_than_what_is_read(spans, ended):
    minute = timedelta(minutes=1)
    silences = [Silence(ALL, NOW + start * minute, NOW + (start + length) * minute) for start, length in spans]
    if repeated_until(LABELS, ended_at := NOW + ended * minute, silences) > NOW:
        assert ended_at > still_repeated(silences, now=NOW)


def test_only_silences_that_last_or_are_just_over_have_older_ends_read():
    assert still_repeated([], now=NOW) == NOW - RESOLVED_FOR
    assert still_repeated([Silence(ALL, hours(-9), hours(-1))], now=NOW) == NOW - RESOLVED_FOR
    assert still_repeated([Silence(ALL, hours(-9), hours(-0.1))], now=NOW) == hours(-9) - RESOLVED_FOR
    assert still_repeated([Silence(ALL, hours(-999), hours(1))], now=NOW) == NOW - REMEMBERED


@pytest.mark.parametrize(
    ("matcher", "covers"),
    [
        (Matcher("slo", "traffic"), True),
        (Matcher("slo", "traf"), False),
        (Matcher("slo", "traffic", is_equal=False), False),
        (Matcher("slo", "rank", is_equal=False), True),
        (Matcher("slo", "traf.*|rank", is_regex=True), True),
        (Matcher("slo", "traf", is_regex=True), False),
        (Matcher("slo", "rank|probe", is_regex=True, is_equal=False), True),
        (Matcher("team", ""), True),
        (Matcher("team", ".+", is_regex=True), False),
        (Matcher("slo", r"\pL+", is_regex=True), True),  # Go reads this, Python does not
    ],
)
def test_a_silence_covers_what_its_matchers_match_as_alertmanager_does(matcher, covers):
    assert Silence((ALL[0], matcher), NOW, NOW).covers(LABELS) is covers
    assert not Silence((Matcher("model_id", "other"), matcher), NOW, NOW).covers(LABELS)


@pytest.fixture(scope="module")
def client():
    with httpx2.Client(trust_env=False) as client:
        yield client


def test_the_silences_of_an_alertmanager_are_read_with_those_that_are_over(client, tmp_path):
    with alertmanager("{route: {receiver: a}, receivers: [{name: a}]}", tmp_path) as url:
        now = datetime.now(UTC)
        matchers = [
            {"name": "model_id", "value": "m", "isRegex": False},
            {"name": "slo", "value": "tra.+", "isRegex": True, "isEqual": False},
        ]
        times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
        body = {"matchers": matchers, "createdBy": "somebody", "comment": "x", **times}
        made = client.post(f"{url}/api/v2/silences", json=body).raise_for_status().json()
        (silence,) = Alertmanager(url, client).look(now=now).silences
        assert silence.matchers == (Matcher("model_id", "m"), Matcher("slo", "tra.+", is_regex=True, is_equal=False))
        assert abs(silence.ends_at - silence.starts_at - timedelta(hours=1)) < timedelta(minutes=1)
        client.delete(f"{url}/api/v2/silence/{made['silenceID']}").raise_for_status()
        look = Alertmanager(url, client).look(now=datetime.now(UTC))
        assert look.silences[0].ends_at < silence.ends_at
        assert look.skew == timedelta(0)


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 11:59:59 GMT", 0),  # its second may be almost over
        ("Thu, 01 Jan 2026 11:59:00 GMT", -59),
        ("Thu, 01 Jan 2026 13:00:00 GMT", 3600),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_the_clock_of_a_peer_is_read_from_its_date(client, date, skew):
    with Receiver(lambda _: Reply(headers={"date": date, "content-length": "2"}, body=b"[]")) as receiver:
        found = Alertmanager(receiver.url, client).look(now=NOW).skew
    if skew is None:
        assert found is None
    else:
        # Of a clock that is ahead, the time that the answer took may belong to it or not.
        assert timedelta(seconds=skew) - timedelta(seconds=20 if skew > 0 else 0) <= found <= timedelta(seconds=skew)


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b'[{"matchers": 1}]'), (403, b"no")])
def test_an_answer_that_is_none_is_said_to_be_none(client, status, body):
    with (
        Receiver(lambda _: Reply(status, body=body)) as receiver,
        pytest.raises(DeliveryError, match="needs to answer"),
    ):
        Alertmanager(receiver.url, client).look(now=NOW)
