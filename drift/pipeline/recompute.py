"""A reference's inputs, encoded again: do they still get the vectors that were kept?"""

from dataclasses import dataclass, replace
from datetime import datetime

from drift.diagnosis.likeness import Likeness, likeness, rounding
from drift.encoder.base import Encoder
from drift.errors import BadReferenceError
from drift.records import Change, Lineage, Reference, changes

AGAIN = ", recomputed from "


@dataclass(frozen=True, slots=True)
class Recomputation:
    """A reference as it was kept and as the encoder of today makes it, kept nowhere.

    `changes` are what differs between the two encoders, by their fingerprints; they may differ and give the same.
    """

    was: Reference
    now: Reference
    likeness: Likeness
    changes: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        """Whether any row differs by more than rounding."""
        return self.likeness.moved > 0


def recompute(reference: Reference, encoder: Encoder, *, by: str, now: datetime) -> Recomputation:
    """Encode the inputs of `reference` again. `encoder` must not remember what it gave before.

    Raises:
        BadReferenceError: the vectors were not encoded here, or by an encoder of another dimension.
    """
    again = encoder.encode(inputs_of(reference, encoder))
    lineage = Lineage(
        source=f"{reference.lineage.source.partition(AGAIN)[0]}{AGAIN}{reference.version[:12]}",
        by=by,
        copies=reference.lineage.copies,
        encoder=encoder.described,
    )
    made = Reference(
        reference.stream, replace(reference.rows, vectors=again), now, encoder.fingerprint, lineage=lineage
    )
    noise = rounding(encoder.described.get("dtype", ""))
    return Recomputation(
        reference,
        made,
        likeness(reference.vectors, again, noise),
        changes(reference.lineage.encoder, encoder.described),
    )


def inputs_of(reference: Reference, encoder: Encoder) -> list[str]:
    """The inputs that `encoder` should give the vectors of `reference` for, row by row.

    Raises:
        BadReferenceError: its vectors were not encoded here, or by an encoder of another dimension.
    """
    if not reference.fingerprint:
        raise BadReferenceError(
            f"the vectors of reference {reference} came from production, and no encoder here made them: there is "
            "nothing to recompute; `drift diagnose` says whether an encoder gives them"
        )
    if (found := reference.vectors.shape[1]) != encoder.dim:
        raise BadReferenceError(
            f"reference {reference} has {found} dimensions, the encoder gives {encoder.dim}: make a new reference "
            "(`drift reference create`)"
        )
    return [text or "" for text in reference.rows.inputs]
