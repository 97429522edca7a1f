"""Standard Webhooks: what is signed is verified, and nothing else is, whatever arrives."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from drift.errors import ConfigError, SignatureError
from drift.notify.base import Message
from drift.notify.signature import Secret, generate_secret, sign, verify

# The vector that the specification's libraries share.
SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')
NOW = datetime.fromtimestamp(1614265330, UTC)
HEADERS = sign(MESSAGE, [SECRET], now=NOW)


def test_the_published_vector():
    assert HEADERS == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_retry_has_the_same_id_and_another_signature():
    again = sign(MESSAGE, [SECRET], now=NOW + timedelta(seconds=5))
    assert again["webhook-id"] == HEADERS["webhook-id"]
    assert again["webhook-signature"] == "v1,IFrHNvFdSlxTmO/uOkpKdCwyVAkNxveF9T56NbTULfE="


def test_each_byte_of_the_body_counts():
    compact = replace(MESSAGE, body=b'{"test":2432232314}')
    assert sign(compact, [SECRET], now=NOW)["webhook-signature"] != HEADERS["webhook-signature"]


def test_the_standard_library_and_the_reference_verifier_agree():
    now, secret, body = datetime.now(UTC), generate_secret(), '{"grüße": "☃"}'.encode()
    headers = sign(Message("a", body), [secret], now=now)
    signed = f"a.{int(now.timestamp())}.".encode() + body
    key = base64.b64decode(secret.text.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert standardwebhooks.Webhook(secret.text).verify(body, headers) == {"grüße": "☃"}


def test_a_time_in_another_zone_signs_the_same_instant():
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert sign(MESSAGE, [SECRET], now=elsewhere) == HEADERS
    assert verify(HEADERS, MESSAGE.body, [SECRET], now=elsewhere) == MESSAGE.id


def test_while_a_secret_is_rotated_receivers_with_either_accept():
    new = generate_secret()
    headers = sign(MESSAGE, [SECRET, new], now=NOW)
    assert [len(headers["webhook-signature"].split(" ")), headers["webhook-signature"].count("v1,")] == [2, 2]
    for secrets in ([SECRET], [new], [generate_secret(), new]):
        assert verify(headers, MESSAGE.body, secrets, now=NOW) == MESSAGE.id


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_clocks_may_differ_by_less_than_five_minutes(seconds):
    assert verify(HEADERS, MESSAGE.body, [SECRET], now=NOW + timedelta(seconds=seconds)) == MESSAGE.id


def test_header_names_have_no_case():
    shouting = {name.upper(): value for name, value in HEADERS.items()}
    assert verify(shouting, MESSAGE.body, [SECRET], now=NOW) == MESSAGE.id


def test_signatures_of_other_schemes_are_passed_over():
    both = HEADERS | {"webhook-signature": "v1a,bm9uc2Vuc2U= " + HEADERS["webhook-signature"]}
    assert verify(both, MESSAGE.body, [SECRET], now=NOW) == MESSAGE.id


SIGNATURE = HEADERS["webhook-signature"]


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-timestamp": str(1614265330 - 301)},
        {"webhook-timestamp": "1614265330.0"},
        {"webhook-timestamp": "1614265330.5"},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "-1614265330"},
        {"webhook-timestamp": " 1614265330"},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "99999999999"},
        {"webhook-timestamp": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,not base64!"},
        {"webhook-signature": "v1,AAA"},
        {"webhook-signature": "v1,\udcff"},
        {"webhook-signature": f"v1  {SIGNATURE}"},
        {"webhook-signature": f"{SIGNATURE}  {SIGNATURE}"},
        {"webhook-signature": f"{SIGNATURE} v1"},
        {"webhook-signature": f" {SIGNATURE}"},
        {"webhook-signature": SIGNATURE.replace("v1,", "v1a,")},
        {"webhook-signature": SIGNATURE.replace("v1,", "V1,")},
        {"webhook-id": "another"},
        {"webhook-id": ""},
        {"webhook-id": "msg\udce9"},
        {"webhook-id": "a.b"},
    ],
)
def test_a_malformed_or_altered_header_is_refused(changed):
    with pytest.raises(SignatureError):
        verify(HEADERS | changed, MESSAGE.body, [SECRET], now=NOW)


@pytest.mark.parametrize("missing", HEADERS)
def test_a_missing_header_is_named(missing):
    with pytest.raises(SignatureError, match=missing):
        verify({k: v for k, v in HEADERS.items() if k != missing}, MESSAGE.body, [SECRET], now=NOW)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_or_future_request_is_refused_as_a_replay(seconds):
    with pytest.raises(SignatureError, match="clocks"):
        verify(HEADERS, MESSAGE.body, [SECRET], now=NOW + timedelta(seconds=seconds))


def test_a_body_that_is_not_utf8_is_refused():
    with pytest.raises(SignatureError, match="UTF-8"):
        verify(HEADERS, b"\xff\xfe", [SECRET], now=NOW)


@pytest.mark.parametrize("secrets", [[], [generate_secret()]])
def test_without_the_right_secret_nothing_is_accepted(secrets):
    with pytest.raises(SignatureError, match="secrets"):
        verify(HEADERS, MESSAGE.body, secrets, now=NOW)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(SignatureError, match="zone"):
        verify(HEADERS, MESSAGE.body, [SECRET], now=NOW.replace(tzinfo=None))
    with pytest.raises(SignatureError, match="zone"):
        sign(MESSAGE, [SECRET], now=NOW.replace(tzinfo=None))


def test_the_boundary_between_id_and_body_cannot_be_moved():
    honest = sign(Message("a", b"1.2.x"), [SECRET], now=NOW)
    moved = honest | {"webhook-id": f"a.{honest['webhook-timestamp']}", "webhook-timestamp": "1"}
    with pytest.raises(SignatureError, match="webhook-id"):
        verify(moved, b"2.x", [SECRET], now=datetime.fromtimestamp(1, UTC))


@pytest.mark.parametrize(
    "message", [Message("a.b", b""), Message("a\r\nb", b""), Message("", b""), Message("a", b"\xff")]
)
def test_what_could_not_be_verified_is_not_signed(message):
    with pytest.raises(SignatureError):
        sign(message, [SECRET], now=NOW)


def test_signing_needs_a_secret():
    with pytest.raises(SignatureError, match="found none"):
        sign(MESSAGE, [], now=NOW)


BYTES_23 = base64.b64encode(b"s" * 23).decode()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "prefix"),
        (BYTES_23, "prefix"),
        (SECRET.text.removeprefix("whsec_"), "prefix"),
        (SECRET.text.replace("whsec_", "whsk_"), "prefix"),
        ("whsec_", "0 bytes"),
        (f"whsec_{BYTES_23}", "23 bytes"),
        ("whsec_" + "-_" * 20, "not base64"),
        ("whsec_" + "ü" * 40, "not base64"),
        ("whsec_" + "A" * 33, "not base64"),
    ],
)
def test_a_weak_or_malformed_secret_is_refused_and_never_repeated(text, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        Secret(text)
    assert len(text) < 8 or text.removeprefix("whsec_") not in str(caught.value)


def test_a_secret_is_not_shown():
    assert "MfKQ" not in repr(SECRET)
    assert "MfKQ" not in str([SECRET])


def test_generated_secrets_differ_and_are_long():
    assert len({generate_secret().text for _ in range(9)}) == 9
    assert len(generate_secret().key) == 32


def test_padding_may_be_left_out():
    assert Secret("whsec_" + base64.b64encode(b"s" * 25).decode().rstrip("=")).key == b"s" * 25


names = st.sampled_from([*HEADERS, "Webhook-Id", "WEBHOOK-SIGNATURE"]) | st.text()
values = st.text(st.characters()) | st.sampled_from([*HEADERS.values(), "v1,", "1614265330.0", "0", "v1,AA== v1"])


@given(st.dictionaries(names, values), st.binary() | st.just(MESSAGE.body), st.datetimes(timezones=st.just(UTC)))
def test_whatever_arrives_only_signature_errors_leave(headers, body, now):
    with pytest.raises(SignatureError):
        verify(headers, body, [generate_secret()], now=now)


@given(st.data())
def test_no_change_of_one_character_survives(data):
    name = data.draw(st.sampled_from(sorted(HEADERS)))
    at = data.draw(st.integers(0, len(HEADERS[name]) - 1))
    letter = data.draw(st.characters().filter(lambda c: c != HEADERS[name][at]))
    changed = HEADERS[name][:at] + letter + HEADERS[name][at + 1 :]
    with pytest.raises(SignatureError):
        verify(HEADERS | {name: changed}, MESSAGE.body, [SECRET], now=NOW)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1), st.text())
def test_what_is_signed_is_verified(id_, text):
    body = text.encode(errors="ignore")
    assert verify(sign(Message(id_, body), [SECRET], now=NOW), body, [SECRET], now=NOW) == id_
