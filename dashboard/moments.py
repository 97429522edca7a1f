"""What was changed on purpose: versions that were deployed, models that were trained anew, other references. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from dashboard.series import Moment
from drift.records import Measurement, Retrain
from drift.store.versions import VersionRow


def moments(
    versions: Sequence[VersionRow], retrained: Sequence[Retrain], measured: Sequence[Measurement]
) -> tuple[Moment, ...]:
    """All of them, oldest first; `versions` and `measured` are in order of time."""
    found = [*_deployed(versions), *_retrained(retrained), *_references(measured)]
    return tuple(sorted(found, key=lambda moment: moment.at))


def _deployed(versions: Sequence[VersionRow]) -> Iterator[Moment]:
    for before, after in pairwise(versions):
        old, new = (
            f"{row.model} {row.version}" if before.model != after.model else row.version or "none"
            for row in (before, after)
        )
        yield Moment(after.since, f"version {new}", f"declared version {new}, before it {old}: a deployment")


def _retrained(found: Sequence[Retrain]) -> Iterator[Moment]:
    for one in found:
        if one.ended_at is not None:
            gave = f"gave version {one.new_version}" if one.new_version else "ended well"
            yield Moment(one.ended_at, "retrained", f"retraining of {one.model} {gave}")


def _references(measured: Sequence[Measurement]) -> Iterator[Moment]:
    """Where windows begin to be held against another reference; of thinned ones, the first that is left."""
    for before, after in pairwise(measured):
        if before.reference != after.reference:
            new, old = after.reference[:8], before.reference[:8]
            yield Moment(
                after.span.start, f"reference {new}", f"held against reference {new} from here on, before it {old}"
            )
