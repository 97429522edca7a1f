"""What an encoder makes of inputs of which some may not be what it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from drift.encoder.base import Encoder
from drift.errors import UnreadableInputsError


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """The vectors of the inputs at the positions `index`, ascending; `faults` says why each other one has none."""

    index: Int64[np.ndarray, "k"]
    vectors: Float32[np.ndarray, "k d"]
    faults: Mapping[int, str]


def encode_readable(encoder: Encoder, inputs: Sequence[str]) -> Encoded:
    """Encode those of `inputs` that `encoder` takes: one truncated image costs no other its vector.

    Raises:
        UnreadableInputsError: it takes none of them.
    """
    index, faults = np.arange(len(inputs), dtype=np.int64), dict[int, str]()
    while True:
        try:
            vectors = encoder.encode([inputs[i] for i in index.tolist()])
        except UnreadableInputsError as error:
            faults |= {int(index[at]): why for at, why in error.faults.items()}
            index = np.delete(index, list(error.faults))
            if not len(index):
                raise UnreadableInputsError(faults, len(inputs)) from error
        else:
            break
    # Weights that overflow make vectors of it, and a vector that is none says nothing of the input.
    finite = np.isfinite(vectors).all(axis=1)
    faults |= dict.fromkeys(index[~finite].tolist(), "its vector is not finite: see the model's weights and precision")
    if len(index) and not finite.any():
        raise UnreadableInputsError(faults, len(inputs))
    return Encoded(index[finite], vectors[finite], faults)
