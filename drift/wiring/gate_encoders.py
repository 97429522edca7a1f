"""What `drift gate` asks of two encoders: vectors of the same inputs, what they cost, where their weights differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from jaxtyping import Float32

from drift.config import EncoderConfig
from drift.config.read import documents, read
from drift.encoder.base import Encoder
from drift.errors import ConfigError
from drift.records import Cause
from drift.wiring.encoders import open_encoder

PIECE: Final = 64
"""Inputs that the encoders encode in turn: what else the machine does meanwhile meets both."""
NEXT_STEP: Final = "Load the candidate from a checkpoint that has all of its layers, or take the name of this one anew."

SPECS: Final = (".yaml", ".yml")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One encoder's vectors, and the seconds that it took for an input, the median over pieces."""

    vectors: Float32[np.ndarray, "n d"]
    seconds: float


def open_side(side: str, precision: str) -> Encoder:
    """The encoder that `side` names: as `EncoderConfig.model`, or the YAML file of a whole one; as it is where no
    `precision` is asked for.

    Raises:
        ConfigError: the file is not one of an encoder, or there is no such precision.
        EncoderError: it cannot be loaded, or not be had in that precision.
    """
    if not precision:
        return open_encoder(declared(side))
    from drift.encoder.precision import PRECISIONS, in_precision  # noqa: PLC0415

    known = next((one for one in PRECISIONS if one == precision), None)
    if known is None:
        raise ConfigError(f"a precision is one of {', '.join(PRECISIONS)}, found {precision!r}")
    return in_precision(open_encoder(declared(side)), known)


def declared(side: str) -> EncoderConfig:
    """What `side` declares: a name, or a YAML file in the form of a stream's `encoder`.

    Raises:
        ConfigError: with one line for each fault of the file.
    """
    path = Path(side)
    if path.suffix not in SPECS:
        return EncoderConfig(model=side)
    found = documents(path)
    if len(found) != 1:
        raise ConfigError(f"{path}:1: needs one mapping as in a stream's `encoder`, here are {len(found)} documents")
    return read(path, found[0], EncoderConfig)[0]


def encoded(
    texts: Sequence[str], encoders: Sequence[Encoder], progress: Progress, clock: Callable[[], float]
) -> tuple[Encoded, ...]:
    """The vectors of `texts`, at least one, by each encoder; `progress` is told how many are done."""
    vectors: list[list[Float32[np.ndarray, "n d"]]] = [[] for _ in encoders]
    seconds: list[list[float]] = [[] for _ in encoders]
    for encoder in encoders:
        encoder.encode(texts[:1])  # what is loaded or compiled at first is no cost of an input
    for start in range(0, len(texts), PIECE):
        piece = texts[start : start + PIECE]
        for encoder, made, took in zip(encoders, vectors, seconds, strict=True):
            begun = clock()
            made.append(encoder.encode(piece))
            took.append((clock() - begun) / len(piece))
        progress(start + len(piece), len(texts))
    return tuple(Encoded(np.concatenate(v), median(s)) for v, s in zip(vectors, seconds, strict=True))


def size_of(encoder: Encoder) -> int | None:
    """Bytes of the encoder's weights; None where it runs elsewhere."""
    # transformers takes seconds to import, and is not there where only endpoints are asked.
    from drift.encoder.precision import bytes_in_memory  # noqa: PLC0415
    from drift.encoder.transformer import TransformerEncoder  # noqa: PLC0415
    from drift.encoder.vision import ImageEncoder  # noqa: PLC0415

    return bytes_in_memory(encoder.model) if isinstance(encoder, TransformerEncoder | ImageEncoder) else None


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
