"""Signatures of webhooks: Standard Webhooks 1.0.0, scheme v1 (HMAC-SHA256).

The library `standardwebhooks` computes the signature. What surrounds it is ours, because the library takes secrets of
any length, skips letters that are not base64, drops the offset of a time that is not UTC, knows one secret, reads the
clock itself, and lets malformed input escape as several kinds of exception.
"""

import base64
import binascii
import hmac
import re
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from standardwebhooks import Webhook as Signer

from drift.errors import ConfigError, SignatureError
from drift.notify.base import Message

TOLERANCE: Final = timedelta(minutes=5)
LEAST_SECRET_BYTES: Final = 24
PREFIX: Final = "whsec_"

# No full stop in an id: "a.1" with body "2.x" at time t would be signed like "a" with another body.
_ID: Final = re.compile(r"[!-\-/-~]{1,256}")
_TIMESTAMP: Final = re.compile(r"0|[1-9][0-9]{0,10}")
_SIGNATURES: Final = re.compile(r"[a-z0-9]+,[A-Za-z0-9+/=]+(?: [a-z0-9]+,[A-Za-z0-9+/=]+)*")


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret: `whsec_` and the base64 of at least 24 random bytes. Never printed.

    Raises:
        ConfigError: it has another form, or is too short. The text does not repeat it.
    """

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        needed = f"a webhook secret needs the prefix {PREFIX} and the base64 of at least {LEAST_SECRET_BYTES} bytes"
        remedy = f"write {PREFIX} followed by what `openssl rand -base64 32` prints"
        if not self.text.startswith(PREFIX):
            raise ConfigError(f"{needed}, found one without the prefix: {remedy}")
        try:
            found = len(self.key)
        except (ValueError, binascii.Error):
            raise ConfigError(f"{needed}, found letters that are not base64: {remedy}") from None
        if found < LEAST_SECRET_BYTES:
            raise ConfigError(f"{needed}, found {found} bytes: {remedy}")

    @property
    def key(self) -> bytes:
        """The bytes that sign."""
        encoded = self.text.removeprefix(PREFIX)
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def generate_secret() -> Secret:
    """A new secret of 32 random bytes."""
    return Secret(PREFIX + base64.b64encode(randomness.token_bytes(32)).decode())


def sign(message: Message, secrets: Sequence[Secret], *, now: datetime) -> dict[str, str]:
    """The three headers that go with an attempt to deliver `message` at `now`, one signature per active secret.

    Raises:
        SignatureError: there is no secret, `now` has no time zone, the id cannot be a header, or the body is not UTF-8.
    """
    if not _ID.fullmatch(message.id):
        raise SignatureError(f"a webhook id needs visible ASCII letters without a full stop, found {message.id!r}")
    if not secrets:
        raise SignatureError(f"message {message.id} needs a secret to be signed with, found none: configure one")
    timestamp = int(_aware(now).timestamp())
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signatures(message, secrets, timestamp)),
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[Secret],
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> str:
    """The id of the message in a request, once it is proved that the owner of one of `secrets` sent just these bytes.

    Answer 401 when it raises. A message may arrive more than once: remember the id, and do the work of each id once.

    Raises:
        SignatureError: anything at all is wrong with the request, whatever it is.
    """
    given = {name.lower(): value for name, value in headers.items()}
    id_ = _header(given, "webhook-id", _ID)
    timestamp = int(_header(given, "webhook-timestamp", _TIMESTAMP))
    signatures = _header(given, "webhook-signature", _SIGNATURES)
    if abs(_aware(now) - datetime.fromtimestamp(timestamp, UTC)) > tolerance:
        raise SignatureError(
            f"message {id_} needs a timestamp within {tolerance} of {now:%Y-%m-%d %H:%M:%S%z}, found {timestamp}: "
            "compare the clocks of sender and receiver; if they agree, this is a replay"
        )
    expected = _signatures(Message(id_, body), secrets, timestamp)
    if not any(hmac.compare_digest(ours, theirs) for theirs in signatures.split(" ") for ours in expected):
        raise SignatureError(
            f"message {id_} needs a signature by one of {len(secrets)} known secrets over exactly the bytes received, "
            "found none: compare the secrets, and verify the raw body before it is parsed"
        )
    return id_


def _signatures(message: Message, secrets: Sequence[Secret], timestamp: int) -> list[str]:
    try:
        text = message.body.decode()
    except UnicodeDecodeError as error:
        raise SignatureError(f"message {message.id} needs a body in UTF-8, found {error.reason} in it") from error
    at = datetime.fromtimestamp(timestamp, UTC)
    return [Signer(secret.key).sign(message.id, at, text) for secret in secrets]


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = headers.get(name)
    if value is None:
        raise SignatureError(f"a signed request needs the header {name}, found none: is this a webhook of drift?")
    if not form.fullmatch(value):
        raise SignatureError(
            f"a signed request needs {name} in the form of Standard Webhooks 1.0.0, found {value!a:.80}"
        )
    return value


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise SignatureError(f"a signature needs a time with its zone, found {now}: pass datetime.now(UTC)")
    return now
