"""An encoder that runs elsewhere, behind an HTTP endpoint of OpenAI's kind: text-embeddings-inference, vLLM, Ollama."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import httpx2
import numpy as np
from jaxtyping import Float32
from pydantic import SecretStr

from drift.encoder.endpoint import Endpoint
from drift.encoder.fingerprint import digest_of
from drift.errors import EncoderError


@final
@dataclass(frozen=True, slots=True, eq=False)
class RemoteEncoder:
    """Embeds texts by `POST url` with `{"model", "input"}`, as OpenAI's API reference says ("Create embeddings").

    Its dimension is what the endpoint gives. The fingerprint names address, model and dimension, and no more: what runs
    behind the endpoint may change and keep its name, which `environment` finds. One attempt, no retry.

    Raises:
        EncoderError: the endpoint does not answer, refuses, or gives something else than a vector for each input.
    """

    url: str
    client: httpx2.Client
    model: str = ""
    key: SecretStr | None = None
    dim: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", self._embed(["drift"]).shape[1])

    @property
    def described(self) -> Mapping[str, str]:
        """What is known of it, by name."""
        return {"endpoint": self.url, "model": self.model, "dimensions": str(self.dim)}

    @property
    def fingerprint(self) -> str:
        return digest_of(dict(self.described))

    def encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per input, in the order given; no inputs give no rows."""
        return self._embed(inputs) if inputs else np.empty((0, self.dim), np.float32)

    def _embed(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        rows = Endpoint(self.url, self.client, self.model, self.key).embed(inputs)
        if rows.shape[1] != (dim := getattr(self, "dim", rows.shape[1])):
            raise EncoderError(f"{self.url} gives vectors of {rows.shape[1]} dimensions, it gave {dim} before")
        if not np.isfinite(rows).all():
            raise EncoderError(f"{self.url} gives vectors that are not finite")
        return rows


def is_address(model: str) -> bool:
    """Whether a model is declared by its address, and so runs elsewhere."""
    return model.startswith(("http://", "https://"))
