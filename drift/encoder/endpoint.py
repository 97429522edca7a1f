"""What embeds texts behind an address, in OpenAI's words or in plain JSON: one attempt, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final

import httpx2
import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, RootModel, SecretStr, ValidationError

from drift import __version__
from drift.encoder.utf8 import sendable
from drift.errors import EncoderError

BATCH: Final = 32
"""Inputs in a request: what text-embeddings-inference takes by default."""
TIMEOUT: Final = 60.0
EXCERPT: Final = 300

Row: TypeAlias = list[float | None]
"""JSON has no NaN, so that some servers write null."""
Vectors: TypeAlias = list[Row]


class Form(Protocol):
    """How an endpoint is asked, and how it answers."""

    asks: str
    kind: str

    def read(self, content: bytes) -> Mapping[int, Row]:
        """The vectors by the place of their input. Raises ValidationError where `content` is something else."""
        ...


class _Embedding(BaseModel):
    index: int
    embedding: Row


class _Answer(BaseModel):
    data: list[_Embedding]


class _Plain(RootModel[Vectors]):
    pass


class _Named(BaseModel):
    embeddings: Vectors


@final
class OpenAI:
    """`{"input": […]}` is answered by `{"data": [{"index", "embedding"}, …]}`, in any order."""

    asks = "input"
    kind = "`data`, a list of `index` and `embedding`"

    def read(self, content: bytes) -> Mapping[int, Row]:
        return {each.index: each.embedding for each in _Answer.model_validate_json(content).data}


@final
class Plain:
    """`{"inputs": […]}` is answered by `[[…], …]`, or by `{"embeddings": [[…], …]}`, in the order of the inputs."""

    asks = "inputs"
    kind = "a list of vectors, or `embeddings` with one"

    def read(self, content: bytes) -> Mapping[int, Row]:
        try:
            return dict(enumerate(_Plain.model_validate_json(content).root))
        except ValidationError:
            return dict(enumerate(_Named.model_validate_json(content).embeddings))


FORMS: Final[Mapping[str, Form]] = {"openai": OpenAI(), "plain": Plain()}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """Embeds texts by `POST url`, in batches of `BATCH`, with `model` where one is named. One attempt, no retry."""

    url: str
    client: httpx2.Client
    model: str = ""
    key: SecretStr | None = None
    form: Form = FORMS["openai"]

    def embed(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per input, at least one, in the order given, as it was answered: numbers may be anything.

        Raises:
            EncoderError: no answer, a refusal, or something else than a vector for each input, all of one length.
        """
        starts = range(0, len(inputs), BATCH)
        parts = [self._embed(list(inputs[start : start + BATCH])) for start in starts]
        if len(lengths := {part.shape[1] for part in parts}) > 1:
            raise EncoderError(f"{self.url} gives vectors of {sorted(lengths)} dimensions in one job: needed is one")
        rows: Float32[np.ndarray, "n d"] = np.concatenate(parts)
        return rows

    def _embed(self, inputs: list[str]) -> Float32[np.ndarray, "n d"]:
        answer = self._post(inputs)
        try:
            found = self.form.read(answer.content)
        except ValidationError as error:
            raise EncoderError(
                f"{self.url} needs to answer with {self.form.kind}, found {answer.text[:EXCERPT]!r}: is it an endpoint "
                "of OpenAI's kind (…/v1/embeddings)?"
            ) from error
        lengths = {len(row) for row in found.values()}
        if sorted(found) != list(range(len(inputs))) or len(lengths) != 1 or lengths == {0}:
            raise EncoderError(
                f"{self.url} needs to answer {len(inputs)} inputs with a vector each, all of one length, found "
                f"{len(found)} of lengths {sorted(lengths)}"
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and not finite
            return np.array([found[i] for i in range(len(inputs))], np.float64).astype(np.float32)

    def _post(self, inputs: list[str]) -> httpx2.Response:
        body = {self.form.asks: [*map(sendable, inputs)]} | ({"model": self.model} if self.model else {})
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
