"""`drift gate --quantised`: one encoder in each precision, what it gives and what it takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from jaxtyping import Float32
from numpy import ndarray

from detectors import compare_versions, crossed_probe
from drift.encoder.base import Encoder
from drift.encoder.precision import PRECISIONS, bytes_in_memory, bytes_on_disk, in_precision
from drift.encoder.transformer import TransformerEncoder
from drift.errors import EncoderError, UnmeasurableError
from drift.records import Texts
from drift.wiring.gate import Request, inputs_of
from drift.wiring.gate_encoders import Encoded, Progress, encoded, open_side


@dataclass(frozen=True, slots=True)
class Priced:
    """One precision of an encoder, against fp32.

    `accuracy` is that of a linear probe by cross-validation, None without labels. `recall` is that of new queries on
    the old index, `overlap` the share of neighbours that stay, `cosine` the mean over inputs, `cosine_p01` the 1st
    percentile. `memory` and `disk` are bytes of weights; `seconds` is the time for an input, `speed` fp32's divided by
    it: 2 is twice as fast.
    """

    precision: str
    accuracy: float | None
    recall: float
    overlap: float
    cosine: float
    cosine_p01: float
    memory: int
    disk: int
    seconds: float
    speed: float


@dataclass(frozen=True, slots=True)
class Trade:
    """Each precision that can be had, fp32 first, on `inputs` inputs; `missing` says why others cannot."""

    inputs: int
    rows: tuple[Priced, ...]
    missing: tuple[str, ...] = ()


def quantised(request: Request, progress: Progress) -> Trade:
    """What each precision of the model `request.baseline` costs and gives, on the inputs of `request.probe`.

    Raises:
        DriftError: the probe cannot be read or has too few inputs, or the model cannot be loaded.
    """
    found = inputs_of(request)
    encoder = open_side(request.baseline, "")
    return trade(encoder, found.texts, found.labels, request, progress=progress, clock=time.perf_counter)


def trade(
    encoder: Encoder,
    texts: tuple[str, ...],
    labels: Texts,
    request: Request,
    *,
    progress: Progress,
    clock: Callable[[], float],
) -> Trade:
    """The same of an encoder that is loaded; `clock` gives seconds.

    Raises:
        EncoderError: it is no text model that is loaded here.
    """
    made, missing = {"fp32": in_precision(encoder, "fp32")}, []
    for precision in PRECISIONS[1:]:
        try:
            made[precision] = in_precision(encoder, precision)
        except EncoderError as error:
            missing.append(str(error))
    vectors = dict(zip(made, encoded(texts, [*made.values()], progress, clock).sides, strict=True))
    whole = vectors["fp32"]
    rows = [
        _priced(made[name], one, whole, request, precision=name, accuracy=_accuracy(one.vectors, labels, request.seed))
        for name, one in vectors.items()
    ]
    return Trade(len(texts), tuple(rows), tuple(missing))


def _priced(
    encoder: TransformerEncoder,
    one: Encoded,
    whole: Encoded,
    request: Request,
    *,
    precision: str,
    accuracy: float | None,
) -> Priced:
    found = compare_versions(whole.vectors, one.vectors, request.neighbours)
    # A text model takes any text, so all times are known.
    took, usual = (median(took for took in of.seconds if took is not None) for of in (one, whole))
    return Priced(
        precision=precision,
        accuracy=accuracy,
        recall=found.cross_recall or 0.0,
        overlap=found.overlap,
        cosine=found.cosine or 0.0,
        cosine_p01=found.cosine_p01 or 0.0,
        memory=bytes_in_memory(encoder.model),
        disk=bytes_on_disk(encoder.model),
        seconds=took,
        speed=usual / took,
    )


def _accuracy(vectors: Float32[ndarray, "n d"], labels: Texts, seed: int) -> float | None:
    """That of a probe on all labelled rows; None where there are too few labels to say."""
    if not labels:
        return None
    try:
        return float(crossed_probe(vectors, labels, seed).mean())
    except UnmeasurableError:
        return None
