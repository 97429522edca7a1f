"""What `drift gate` asks of two encoders: vectors of the same inputs, what they cost, where their weights differ."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from drift.diagnosis import causes
from drift.encoder.base import Encoder
from drift.encoder.readable import Encoded as Readable
from drift.encoder.readable import encode_readable
from drift.errors import ConfigError, UnreadableInputsError
from drift.records import Cause
from drift.wiring.encoders import open_encoder, spec_of

PIECE: Final = 32
"""Inputs that the encoders encode in turn: what else the machine does meanwhile meets both."""
NEXT_STEP: Final = "Load the candidate from a checkpoint that has all of its layers, or take the name of this one anew."

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One encoder's vectors, and the seconds that it took for an input in each piece; None: not known."""

    vectors: Float32[np.ndarray, "n d"]
    seconds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """What several encoders make of the inputs at the positions `index`, ascending, which all of them take.

    `faults` says of each other input why one of them does not; `readable` inputs are taken by one of them at least.
    """

    index: Int64[np.ndarray, "k"]
    sides: tuple[Encoded, ...]
    faults: Mapping[int, str]
    readable: int

    @property
    def coverage(self) -> float:
        """Share of the inputs that any takes which all take."""
        return len(self.index) / self.readable

    @property
    def note(self) -> str:
        """What was left out and why, a sentence; "" where nothing was."""
        if not self.faults:
            return ""
        count, why = len(self.faults), next(iter(self.faults.values()))
        return (
            f"{count} of {count + len(self.index)} inputs cannot be read and are left out on both sides; first: {why}."
        )


def open_side(side: str, precision: str) -> Encoder:
    """The encoder that `side` names: as `EncoderConfig.model`, or the YAML file of a whole one; as it is where no
    `precision` is asked for.

    Raises:
        ConfigError: the file is not one of an encoder, or there is no such precision.
        EncoderError: it cannot be loaded, or not be had in that precision.
    """
    if not precision:
        return open_encoder(spec_of(side))
    from drift.encoder.precision import PRECISIONS, in_precision  # noqa: PLC0415

    known = next((one for one in PRECISIONS if one == precision), None)
    if known is None:
        raise ConfigError(f"a precision is one of {', '.join(PRECISIONS)}, found {precision!r}")
    return in_precision(open_encoder(spec_of(side)), known)


def encoded(texts: Sequence[str], encoders: Sequence[Encoder], progress: Progress, clock: Callable[[], float]) -> Taken:
    """The vectors of `texts`, at least one, by each encoder; `progress` is told how many are done.

    Raises:
        UnreadableInputsError: there is no text that all encoders take.
    """
    for encoder in encoders:
        with suppress(UnreadableInputsError):
            encoder.encode(texts[:1])  # what is loaded or compiled at first is no cost of an input
    pieces = []
    for start in range(0, len(texts), PIECE):
        pieces.append(_piece(texts[start : start + PIECE], start, encoders, clock))
        progress(min(start + PIECE, len(texts)), len(texts))
    faults = {at: why for piece in pieces for at, why in piece.faults.items()}
    if len(faults) == len(texts):
        raise UnreadableInputsError(faults, len(texts))
    return Taken(
        np.concatenate([piece.index for piece in pieces]),
        tuple(_joined([piece.sides[i] for piece in pieces]) for i in range(len(encoders))),
        faults,
        sum(piece.readable for piece in pieces),
    )


def _piece(texts: Sequence[str], start: int, encoders: Sequence[Encoder], clock: Callable[[], float]) -> Taken:
    """The same of some texts, which are those from `start` on; none of them may be what all take."""
    common, faults, sides = np.arange(len(texts)), dict[int, str](), []
    some = common[:0]
    for encoder in encoders:
        begun = clock()
        try:
            found = encode_readable(encoder, texts)
        except UnreadableInputsError as error:
            found = Readable(common[:0], np.empty((0, encoder.dim), np.float32), error.faults)
        # What has a fault is encoded twice, and says nothing of what an input costs.
        sides.append((found, (None if found.faults else (clock() - begun) / len(texts),)))
        faults |= {start + at: why for at, why in found.faults.items()}
        common, some = np.intersect1d(common, found.index), np.union1d(some, found.index)
    rows = tuple(Encoded(found.vectors[np.isin(found.index, common)], took) for found, took in sides)
    return Taken(start + common, rows, faults, len(some))


def _joined(pieces: Sequence[Encoded]) -> Encoded:
    vectors = np.concatenate([piece.vectors for piece in pieces])
    return Encoded(vectors, tuple(took for piece in pieces for took in piece.seconds))


def size_of(encoder: Encoder) -> int | None:
    """Bytes of the encoder's weights; None where it runs elsewhere."""
    # transformers takes seconds to import, and is not there where only endpoints are asked.
    from drift.encoder.precision import bytes_in_memory  # noqa: PLC0415
    from drift.encoder.transformer import TransformerEncoder  # noqa: PLC0415
    from drift.encoder.vision import ImageEncoder  # noqa: PLC0415

    return bytes_in_memory(encoder.model) if isinstance(encoder, TransformerEncoder | ImageEncoder) else None


def emulated(encoder: Encoder) -> bool:
    """Whether the encoder's weights are of a type in which this machine is slower than in float32."""
    from drift.encoder.half import slower_than_float32  # noqa: PLC0415
    from drift.encoder.transformer import TransformerEncoder  # noqa: PLC0415

    if not isinstance(encoder, TransformerEncoder):
        return False
    return slower_than_float32(encoder.model.device, encoder.dtype)


def alike_in_capitals(baseline: Encoder, candidate: Encoder, texts: Sequence[str]) -> float | None:
    """The share of texts that two tokenizers of one vocabulary cut alike in capitals; None: not known."""
    from drift.encoder import difference  # noqa: PLC0415
    from drift.encoder.transformer import TransformerEncoder  # noqa: PLC0415

    if not (isinstance(baseline, TransformerEncoder) and isinstance(candidate, TransformerEncoder)):
        return None
    return difference.alike_in_capitals(baseline, candidate, texts)


def recased(alike: float | None) -> Cause | None:
    """That the tokenizers differ in what they make of capitals, where a share of `alike` inputs is cut alike there."""
    if alike is None or alike == 1:
        return None
    share = f"{100 * (1 - alike):.3g}%"  # one input of thousands is more than none
    evidence = f"the tokenizers cut the inputs alike as they are, and {share} of them otherwise in capitals"
    return Cause("tokenizer-case", 1.0, evidence, causes.NEXT_STEP["tokenizer-case"])


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
