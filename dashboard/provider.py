"""The provider with which people sign in: whether it answers."""

from typing import Final

import httpx2
from pydantic import BaseModel, ValidationError

from drift.errors import DriftError

PATIENCE: Final = 5.0


class ProviderError(DriftError):
    """Nobody can sign in with the provider now; the text says which address did what."""


class _Metadata(BaseModel):
    """What signing in needs (OpenID Connect Discovery 1.0, 3)."""

    authorization_endpoint: str
    token_endpoint: str


def require(metadata_url: str) -> None:
    """Ask the provider how one signs in.

    Raises:
        ProviderError: it does not answer, or not with that.
    """
    try:
        answer = httpx2.get(metadata_url, timeout=PATIENCE)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        why = f" within {PATIENCE:g} s" if isinstance(error, httpx2.TimeoutException) else f": {error}"
        raise ProviderError(f"The provider at {metadata_url} does not answer{why}.") from None
    if answer.status_code != httpx2.codes.OK:
        raise ProviderError(f"The provider at {metadata_url} answered {answer.status_code}, 200 was expected.")
    try:
        _Metadata.model_validate_json(answer.content)
    except ValidationError:
        raise ProviderError(
            f"The provider at {metadata_url} answered something else than its OpenID Connect metadata."
        ) from None
