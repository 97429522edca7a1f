"""For receivers of drift's webhooks: whether a request really comes from drift.

    id_ = drift.webhook.verify(request.headers, body, [secret])   # SignatureError: answer 401

A message may come more than once: remember its id, and do the work of each id once.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drift.errors import ConfigError, SignatureError
from drift.notify.signature import TOLERANCE, Secret
from drift.notify.signature import verify as _verify

__all__ = ["ConfigError", "SignatureError", "verify"]


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    *,
    now: datetime | None = None,
    tolerance: timedelta = TOLERANCE,
) -> str:
    """The id of the message, once it is proved that the owner of one of `secrets` sent just these bytes lately.

    `body` is as it was received, before anything parses it; `secrets` are `whsec_…`, two while they are rotated. `now`
    is the time of day, unless another is given.

    Raises:
        SignatureError: anything at all is wrong with the request, whatever it is.
        ConfigError: a secret of yours is not one; says so before it looks at the request.
    """
    if isinstance(secrets, str) or not all(isinstance(secret, str) for secret in secrets):
        raise ConfigError("a receiver needs its secrets as a list of texts `whsec_…`: put a single one in a list")
    keys = [Secret(text) for text in secrets]
    if not isinstance(body, bytes | bytearray | memoryview):
        raise SignatureError(
            f"a signed request needs its body as bytes, found {type(body).__name__}: take the raw body"
        )
    try:
        plain = {str(name): str(value) for name, value in headers.items()}
    except AttributeError:
        raise SignatureError(
            f"a signed request needs its headers as a mapping, found {type(headers).__name__}"
        ) from None
    return _verify(plain, bytes(body), keys, now=now or datetime.now(UTC), tolerance=tolerance)
