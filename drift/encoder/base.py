"""What every encoder does: inputs in, vectors out, and it knows its own fingerprint."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float32


class Encoder(Protocol):
    """Turns inputs into embeddings."""

    @property
    def fingerprint(self) -> str:
        """Names everything that decides the numbers: weights, tokenizer, pooling, normalisation, length, dtype."""
        ...

    @property
    def described(self) -> Mapping[str, str]:
        """What the fingerprint names, part by part, in words."""
        ...

    @property
    def dim(self) -> int: ...

    def encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per input, in the order given. Deterministic for one machine and fingerprint.

        An input is a text, or a data URL that carries an image or an array (`drift.records.data_url`).

        Raises:
            UnreadableInputsError: some are not what the encoder takes; `encode_readable` goes on without them.
        """
        ...
