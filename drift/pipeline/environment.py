"""Environment drift: does the encoder, as it runs here and now, still give the references that it made?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import ClassVar, Final, final

import numpy as np
import structlog
from jaxtyping import Int

from detectors.kernels import wilson
from drift.diagnosis.likeness import Likeness, likeness, rounding
from drift.encoder.base import Encoder
from drift.encoder.readable import encode_readable
from drift.pipeline.recompute import inputs_of
from drift.records import ENVIRONMENT, Change, Measurement, Reference, Rows, Span, Stream, changes

log = structlog.get_logger()
SAMPLE: Final = 64
"""Inputs of a reference that are encoded again: a fault of one row in twenty is in the sample with 96 %."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the encoder gives for a sample of a reference's inputs, beside what is kept.

    `changes` are what differs in the encoder since, by its fingerprint. `likeness` is None where the reference's
    vectors came from production: then nothing of it depends on this environment.
    """

    likeness: Likeness | None = None
    changes: tuple[Change, ...] = ()

    @property
    def encoder_changed(self) -> str:
        """The parts of the encoder that differ, in words; "" where none does."""
        return "; ".join(map(str, self.changes))


def look_at(reference: Reference, encoder: Encoder) -> Look:
    """Encode a sample of the inputs of `reference` again. `encoder` must not remember what it gave before.

    Raises:
        BadReferenceError: the encoder gives another dimension.
    """
    if not reference.fingerprint:
        return Look()
    index = sample(reference.rows)
    inputs = inputs_of(reference, encoder)
    again = encoder.encode([inputs[i] for i in index])
    alike = likeness(reference.vectors[index], again, rounding(encoder.described.get("dtype", "")))
    return Look(alike, changes(reference.lineage.encoder, encoder.described))


def sample(rows: Rows) -> Int[np.ndarray, "k"]:
    """Positions of `SAMPLE` rows, or all: always the same, of inputs of all lengths, the longest among them.

    Many a fault is one of long inputs, which are few.
    """
    return of_all_lengths(rows.inputs, SAMPLE)


def of_all_lengths(inputs: Sequence[str | None], most: int) -> Int[np.ndarray, "k"]:
    """Positions of at most `most` of `inputs`, evenly spread over their lengths, with the shortest and the longest."""
    by_length = np.argsort([len(text or "") for text in inputs], kind="stable")
    places = np.linspace(0, len(by_length) - 1, min(most, len(by_length))).round().astype(np.intp)
    return by_length[places]


def noise_floor(reference: Reference, encoder: Encoder) -> Likeness | None:
    """How far production's own vectors in `reference` are from what the encoder gives, in a sample.

    It is what `skew` measures while all is well. None where production did not make them, or their inputs are not kept.
    """
    index = reference.rows.with_value(reference.rows.inputs)
    if reference.fingerprint or not len(index) or reference.vectors.shape[1] != encoder.dim:
        return None
    inputs = [text for i in index if (text := reference.rows.inputs[i]) is not None]
    chosen = of_all_lengths(inputs, SAMPLE)
    found = encode_readable(encoder, [inputs[i] for i in chosen])
    return likeness(
        reference.vectors[index[chosen[found.index]]], found.vectors, rounding(encoder.described.get("dtype", ""))
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """Share of a sample of a reference's own inputs that get another vector here than was kept, beyond tolerance.

    In [0, 1], with Wilson's interval; 0 when healthy, and where the vectors came from production. Looked at before the
    first window, then when told, which should be each `every`; each window in between has the number of the last look.
    It is of this process, with its libraries and its device, so it is remembered here and not in Postgres.
    """

    name: ClassVar[str] = ENVIRONMENT
    meaning: ClassVar[str] = (
        "the encoder here no longer gives the reference's own vectors for the reference's own inputs: its libraries, "
        "device or files have changed under it"
    )
    next_step: ClassVar[str] = (
        "Do not believe skew until this is good. `drift reference recompute --dry-run STREAM` says what differs; go "
        "back to what the encoder ran on, or accept it: the same without --dry-run, and restart."
    )

    encoder: Encoder
    every: timedelta
    _looks: dict[str, Look] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    def look(self, references: Iterable[Reference]) -> None:
        """Look at each of `references`, and log what has changed."""
        for reference in references:
            with self._turn:
                self._looks[reference.version] = found = look_at(reference, self.encoder)
            _tell(reference, found)

    def measurement(self, stream: Stream, span: Span, reference: Reference) -> Measurement:
        """What the last look at `reference` gave, as the number of one window."""
        if reference.version not in self._looks:
            self.look([reference])
        found = self._looks[reference.version].likeness
        if found is None:
            return Measurement(stream.key, span, self.name, reference.version, value=0.0, rows=0)
        low, high = wilson(found.failing, found.rows)
        name, version = self.name, reference.version
        return Measurement(stream.key, span, name, version, value=found.share, rows=found.rows, low=low, high=high)


def _tell(reference: Reference, found: Look) -> None:
    if (alike := found.likeness) is None:
        return
    said = {"reference": str(reference), "rows": alike.rows, "encoder_changed": found.encoder_changed}
    if alike.failing:
        log.warning("environment drifted", failing=alike.failing, worst_cosine=round(alike.worst, 6), **said)
    elif found.changes:
        log.info("encoder changed and gives the same", **said)
