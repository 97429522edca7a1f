"""An encoder that runs elsewhere, behind an HTTP endpoint of OpenAI's kind: text-embeddings-inference, vLLM, Ollama."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import httpx2
import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, SecretStr, ValidationError

from drift import __version__
from drift.encoder.fingerprint import digest_of
from drift.errors import EncoderError

BATCH: Final = 32
"""Inputs in a request: what text-embeddings-inference takes by default."""
TIMEOUT: Final = 60.0
EXCERPT: Final = 300


class _Embedding(BaseModel):
    index: int
    embedding: list[float]


class _Answer(BaseModel):
    data: list[_Embedding]


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
        starts = range(0, len(inputs), BATCH)
        parts = [self._embed(list(inputs[start : start + BATCH])) for start in starts]
        rows: Float32[np.ndarray, "n d"] = np.concatenate([np.empty((0, self.dim), np.float32), *parts])
        return rows

    def _embed(self, inputs: list[str]) -> Float32[np.ndarray, "n d"]:
        answer = self._post(inputs)
        try:
            found = _Answer.model_validate_json(answer.content).data
        except ValidationError as error:
            raise EncoderError(
                f"{self.url} needs to answer with `data`, a list of `index` and `embedding`, found "
                f"{answer.text[:EXCERPT]!r}: is it an endpoint of OpenAI's kind (…/v1/embeddings)?"
            ) from error
        by_index = {each.index: each.embedding for each in found}
        if sorted(by_index) != list(range(len(inputs))) or len({len(row) for row in by_index.values()}) != 1:
            raise EncoderError(
                f"{self.url} needs to answer {len(inputs)} inputs with a vector each, all of one length, found "
                f"{len(found)} of lengths {sorted({len(row) for row in by_index.values()})}"
            )
        rows = np.array([by_index[i] for i in range(len(inputs))], np.float32)
        if rows.shape[1] != (dim := getattr(self, "dim", rows.shape[1])):
            raise EncoderError(f"{self.url} gives vectors of {rows.shape[1]} dimensions, it gave {dim} before")
        if not np.isfinite(rows).all():
            raise EncoderError(f"{self.url} gives vectors that are not finite")
        return rows

    def _post(self, inputs: list[str]) -> httpx2.Response:
        body = {"input": inputs} | ({"model": self.model} if self.model else {})
        headers = {"user-agent": f"drift/{__version__}"}
        if self.key is not None:
            headers["authorization"] = f"Bearer {self.key.get_secret_value()}"
        try:
            answer = self.client.post(self.url, json=body, headers=headers, timeout=TIMEOUT)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise EncoderError(f"{self.url} does not answer: {type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise EncoderError(
                f"{self.url} refuses {len(inputs)} inputs with {answer.status_code}: {answer.text[:EXCERPT]}"
            )
        return answer


def is_address(model: str) -> bool:
    """Whether a model is declared by its address, and so runs elsewhere."""
    return model.startswith(("http://", "https://"))
