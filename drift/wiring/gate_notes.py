"""What the gate says of two files of embeddings beside its checks: rows that it cannot use, columns that disagree."""

from pathlib import Path

from collectors.vectors import Sampled
from drift.records import Rows, Texts


def unusable(path: Path, side: Sampled) -> str:
    """Why some rows of a file are left out, a sentence; "" where none is."""
    if not side.rejected:
        return ""
    each = ", ".join(f"{count} {reason}" for reason, count in side.rejected.items())
    return f"Of {side.received} rows of {path.name} some cannot be used: {each}."


def disagreements(old: Rows, new: Rows, segment: str) -> tuple[str, ...]:
    """Sentences on what the two files say otherwise of the same inputs; `segment` is "" where it does not matter."""
    pairs = [("label", old.labels, new.labels)]
    if segment:
        pairs.append((segment, old.segments[segment], new.segments[segment]))
    return tuple(
        f"The files disagree on the {name} of {count} of {len(old)} inputs: the baseline's counts."
        for name, ours, theirs in pairs
        if (count := _differing(ours, theirs))
    )


def _differing(ours: Texts, theirs: Texts) -> int:
    """How many are known on both sides and differ; a side may have none at all."""
    both = zip(ours, theirs, strict=True) if ours and theirs else ()
    return sum(one is not None and other is not None and one != other for one, other in both)
