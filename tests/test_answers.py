"""What is kept of a receiver's answer."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from drift.notify.answers import excerpt, retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta(0)),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), timedelta(minutes=3)),
        (format_datetime(NOW - timedelta(minutes=3), usegmt=True), timedelta(0)),
        ("Thu, 01 Jan 2026 00:01:00 -0000", timedelta(minutes=1)),
        ("9" * 18, timedelta(hours=24)),
        ("9" * 5000, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(hours=24)),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(header, wait):
    assert retry_after(httpx2.Response(429, headers={"retry-after": header}), now=NOW) == wait


def test_without_the_header_nothing_was_asked():
    assert retry_after(httpx2.Response(429), now=NOW) is None


def test_an_excerpt_is_one_printable_line_of_a_kilobyte():
    text = excerpt(b"no\0 disk\r\n\xff" + b"x" * 100_000)
    assert text.startswith("no disk \N{REPLACEMENT CHARACTER}xxx")
    assert 1000 < len(text) <= 1024
    assert text.isprintable()
