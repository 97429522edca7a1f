"""Faults of a serving path, each made the way it happens: a wrong setting, a wrong checkpoint, a lossy store."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, final

import numpy as np
from jaxtyping import Float32
from safetensors.numpy import load_file, save_file

from drift.encoder.base import Encoder
from drift.encoder.cache import CachedEncoder
from drift.encoder.load import BUNDLED_WEIGHTS_SHA256, EncoderSpec, load, locate

Vector = Float32[np.ndarray, "d"]
Vectors = Float32[np.ndarray, "n d"]

# What the reference is made of, and healthy traffic with it.
REFERENCE_MIX: Final = {"numpy": 0.3, "scipy": 0.3, "python": 0.2, "sqlalchemy": 0.2}
# A new product took over: four documents of five are of packages that the reference has never seen.
SHIFTED_MIX: Final = {"torch": 0.4, "streamlit": 0.4, "numpy": 0.1, "scipy": 0.1}

# The documents are sentences of 20 tokens, so a milder limit would leave many of them whole.
TRUNCATED_TOKENS: Final = 8
QUANTISED_BITS: Final = 4
COLLAPSED_DIRECTIONS: Final = 4
# Share of each matrix's own spread; it turns vectors by a 1 - cosine of .05, as some fine-tuning would.
STALE_NOISE: Final = 0.1
# Where the older checkpoint of the bundled model lies, in the folder that is kept; drift.yaml names it too.
OLDER: Final = f"older-{BUNDLED_WEIGHTS_SHA256[:12]}"


class Fault(StrEnum):
    """What goes wrong in the example's traffic."""

    NONE = "none"
    DATA_SHIFT = "data-shift"
    TRUNCATION = "truncation"
    MISSING_NORMALISATION = "missing-normalisation"
    QUANTISATION = "quantisation"
    COLLAPSE = "collapse"
    STALE_MODEL = "stale-model"


def mix(fault: Fault) -> Mapping[str, float]:
    """Share of each package in the traffic under `fault`; the shares add up to 1."""
    return SHIFTED_MIX if fault is Fault.DATA_SHIFT else REFERENCE_MIX


@final
class Serving:
    """The example's serving path: texts in, the vectors that production would store out.

    `reference` are the reference's texts. `folder` keeps vectors and the older checkpoint from one run to the next.
    """

    def __init__(self, spec: EncoderSpec, reference: Sequence[str], folder: Path) -> None:
        self._spec = spec
        self._reference = reference
        self._folder = folder
        self._right = load(spec)
        self._encoders: dict[Fault, CachedEncoder] = {}
        self.encoder = self._kept(self._right)

    def serve(self, texts: Sequence[str], fault: Fault) -> Vectors:
        """One vector per text, as the path under `fault` gives it."""
        if fault not in self._encoders:
            self._encoders[fault] = self._encoder(fault)
        vectors = self._encoders[fault].encode(texts)
        match fault:
            case Fault.QUANTISATION:
                return quantised(vectors, QUANTISED_BITS)
            case Fault.COLLAPSE:
                return collapsed(vectors, *self._directions)
            case _:
                return vectors

    def close(self) -> None:
        """Let go of the files."""
        for encoder in (self.encoder, *self._encoders.values()):
            encoder.close()

    @cached_property
    def _directions(self) -> tuple[Vector, Vectors]:
        return principal(self.encoder.encode(self._reference), COLLAPSED_DIRECTIONS)

    def _encoder(self, fault: Fault) -> CachedEncoder:
        right = self._right
        match fault:
            case Fault.TRUNCATION:
                return self._kept(replace(right, recipe=replace(right.recipe, max_length=TRUNCATED_TOKENS)))
            case Fault.MISSING_NORMALISATION:
                return self._kept(replace(right, recipe=replace(right.recipe, normalise=False)))
            case Fault.STALE_MODEL:
                older = older_checkpoint(locate(self._spec), self._folder / OLDER)
                return self._kept(load(replace(self._spec, model=str(older), weights_sha256=None)))
            case _:
                return self.encoder

    def _kept(self, encoder: Encoder) -> CachedEncoder:
        return CachedEncoder(encoder, self._folder / "vectors.sqlite")


def quantised(vectors: Vectors, bits: int) -> Vectors:
    """The vectors as a store gives them back that keeps signed integers of `bits` bits and one scale per vector."""
    scale = np.abs(vectors).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    stored: Vectors = (np.round(vectors / scale) * scale).astype(np.float32)
    return stored


def principal(reference: Vectors, directions: int) -> tuple[Vector, Vectors]:
    """Centre of the reference, and the directions in which it varies most, one per row."""
    centre = reference.mean(axis=0)
    return centre, np.linalg.svd(reference - centre, full_matrices=False)[2][:directions]


def collapsed(vectors: Vectors, centre: Vector, directions: Vectors) -> Vectors:
    """The vectors as an encoder gives them that lost all but a few principal directions of its reference."""
    left = centre + (vectors - centre) @ directions.T @ directions
    shrunk: Vectors = (left / np.linalg.norm(left, axis=1, keepdims=True)).astype(np.float32)
    return shrunk


def older_checkpoint(model: Path, target: Path) -> Path:
    """A copy of `model` at `target` whose matrices lie some way off, always the same way; made once."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(dir=target.parent, prefix=target.name))
    shutil.copytree(model, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    rng = np.random.default_rng(0)
    for weights in sorted(model.glob("*.safetensors")):
        tensors = load_file(weights)
        for name, tensor in sorted(tensors.items()):
            if tensor.ndim == 2 and tensor.dtype.kind == "f":
                noise = rng.standard_normal(tensor.shape, np.float32)
                tensors[name] = (tensor + STALE_NOISE * tensor.std() * noise).astype(tensor.dtype)
        save_file(tensors, made / weights.name, metadata={"format": "pt"})
    # In place at once: a half-written checkpoint would be taken for a whole one.
    made.rename(target)
    return target
