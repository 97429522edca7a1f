"""What receivers call: one answer or one error, whatever arrives."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.errors import ConfigError, SignatureError
from drift.notify.base import Message
from drift.notify.signature import generate_secret, sign
from drift.webhook import verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, BODY, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)
HEADERS = {
    "Webhook-Id": ID,
    "Webhook-Timestamp": "1614265330",
    "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_the_published_vector_is_verified():
    """Acceptance case W01."""
    assert verify(HEADERS, BODY, [SECRET], now=AT) == ID


def test_a_message_of_this_moment_is_verified_by_either_secret_while_they_are_rotated():
    old, new = generate_secret(), generate_secret()
    headers = sign(Message("msg_1", b"{}"), [new], now=datetime.now(UTC))
    assert verify(headers, b"{}", [old.text, new.text]) == "msg_1"


@pytest.mark.parametrize("seconds", [-299, 299])
def test_clocks_may_differ_by_five_minutes(seconds):
    assert verify(HEADERS, BODY, [SECRET], now=AT + timedelta(seconds=seconds)) == ID


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        (HEADERS, BODY, 301),
        (HEADERS, BODY, -301),
        (HEADERS, b"\xff" + BODY, 0),
        (HEADERS, BODY.decode(), 0),
        (HEADERS, None, 0),
        (HEADERS | {"Webhook-Signature": "v1"}, BODY, 0),
        (HEADERS | {"Webhook-Signature": "v1,???"}, BODY, 0),
        (HEADERS | {"Webhook-Signature": HEADERS["Webhook-Signature"].replace(",", "  ,")}, BODY, 0),
        (HEADERS | {"Webhook-Signature": None}, BODY, 0),
        (HEADERS | {"Webhook-Timestamp": 1614265330.5}, BODY, 0),
        ({}, BODY, 0),
        (None, BODY, 0),
        ([(b"webhook-id", b"x")], BODY, 0),
    ],
)
def test_whatever_is_wrong_is_one_error(headers, body, seconds):
    with pytest.raises(SignatureError):
        verify(headers, body, [SECRET], now=AT + timedelta(seconds=seconds))


def test_another_secret_is_refused():
    with pytest.raises(SignatureError, match="compare the secrets"):
        verify(HEADERS, BODY, [generate_secret().text], now=AT)


anything = st.none() | st.text() | st.binary() | st.integers() | st.sampled_from([ID, "1614265330", "v1,AAAA"])


@given(st.dictionaries(anything | st.sampled_from(sorted(HEADERS)), anything), anything)
def test_nothing_that_arrives_raises_anything_else(headers, body):
    with pytest.raises(SignatureError):
        verify(headers, body, [SECRET], now=AT)


def test_a_secret_of_ones_own_that_is_none_is_told_apart():
    with pytest.raises(ConfigError, match="prefix"):
        verify(HEADERS, BODY, ["hunter2"], now=AT)


@pytest.mark.parametrize("secrets", [SECRET, [None], [SECRET, b"bytes"]])
def test_secrets_are_a_list_of_texts(secrets):
    with pytest.raises(ConfigError, match="a list of texts"):
        verify(HEADERS, BODY, secrets, now=AT)
