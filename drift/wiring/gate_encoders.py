"""What `drift gate` asks of two encoders: vectors of the same inputs, what they cost, where their weights differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from jaxtyping import Float32

from drift.encoder.base import Encoder
from drift.records import Cause

PIECE: Final = 64
"""Inputs that the encoders encode in turn: what else the machine does meanwhile meets both."""
NEXT_STEP: Final = "Load the candidate from a checkpoint that has all of its layers, or take the name of this one anew."

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One encoder's vectors, and the seconds that it took for an input, the median over pieces."""

    vectors: Float32[np.ndarray, "n d"]
    seconds: float


def encoded(
    texts: Sequence[str], baseline: Encoder, candidate: Encoder, progress: Progress, clock: Callable[[], float]
) -> tuple[Encoded, Encoded]:
    """The vectors of `texts`, at least one, by both; `progress` is told how many are done."""
    sides = (baseline, candidate)
    vectors: tuple[list[Float32[np.ndarray, "n d"]], ...] = ([], [])
    seconds: tuple[list[float], ...] = ([], [])
    for encoder in sides:
        encoder.encode(texts[:1])  # what is loaded or compiled at first is no cost of an input
    for start in range(0, len(texts), PIECE):
        piece = texts[start : start + PIECE]
        for encoder, made, took in zip(sides, vectors, seconds, strict=True):
            begun = clock()
            made.append(encoder.encode(piece))
            took.append((clock() - begun) / len(piece))
        progress(start + len(piece), len(texts))
    old, new = (Encoded(np.concatenate(v), median(s)) for v, s in zip(vectors, seconds, strict=True))
    return old, new


def size_of(encoder: Encoder) -> int | None:
    """Bytes of the encoder's weights; None where it runs elsewhere."""
    # transformers takes seconds to import, and is not there where only endpoints are asked.
    from drift.encoder.transformer import TransformerEncoder  # noqa: PLC0415
    from drift.encoder.vision import ImageEncoder  # noqa: PLC0415

    if isinstance(encoder, TransformerEncoder | ImageEncoder):
        return sum(weight.numel() * weight.element_size() for weight in encoder.model.parameters())
    return None


def redrawn_layers(baseline: Encoder, candidate: Encoder) -> Cause | None:
    """That layers of the candidate have other weights, where it is otherwise the baseline's model."""
    from drift.encoder.difference import unlike_layers  # noqa: PLC0415
    from drift.encoder.transformer import TransformerEncoder  # noqa: PLC0415

    if not (isinstance(baseline, TransformerEncoder) and isinstance(candidate, TransformerEncoder)):
        return None
    layers = unlike_layers(baseline, candidate)
    if not layers:
        return None
    named = ", ".join(f"{layer.name} (cosine {abs(layer.cosine):.2f})" for layer in layers[:4])
    more = f" and {len(layers) - 4} more" if len(layers) > 4 else ""
    return Cause(
        "reinitialised-layers", 1.0, f"weights have nothing to do with the baseline's in {named}{more}", NEXT_STEP
    )
