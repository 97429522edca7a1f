"""A bounded uniform sample: each row draws a priority once, and the lowest ones are kept.

Bottom-k sampling (Cohen and Kaplan, 2007). A priority does not depend on what else is in a batch, so the sample of a
union is the sample of the samples, in any order, and a retried job sees the same rows. A row that is sent twice under
one id is drawn once.

Rows of one session are not independent: of five messages each, tests at a nominal 5 % alarm in half of the healthy
windows. So at most one row of a session is kept. Sessions are drawn first, each as likely as any other, then one of the
rows of each, likewise: not the first, which is often of a kind of its own.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from drift.records import OWN_BITS, Rows, Texts, lowest

# SplitMix64 (Steele, Lea and Flood, 2014): a bijection of 64 bits, so no two positions of a batch ever tie.
_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


def priorities(
    ids: Texts, batch_key: str, positions: npt.NDArray[np.int64], *, salt: str, sessions: Texts = ()
) -> npt.NDArray[np.uint64]:
    """One uniform 64-bit priority for each of the n rows at `positions` of the batch `batch_key`.

    A row with an id draws from `salt` and id alone, however the rows are split into batches; equal ids draw equal
    priorities. A row without one (no ids, None or "") draws from `salt`, `batch_key` and its position. A row with a
    session draws all but the last `OWN_BITS` from `salt` and session instead, so that the rows of one session are one
    to `lowest`. `salt` names the stream, and the span where it is known: another salt is another, independent sample.
    """
    key = hashlib.blake2b(salt.encode(), digest_size=32).digest()
    seed = np.uint64(_hash(hashlib.blake2b(digest_size=8, key=key, person=b"batch"), batch_key))
    drawn = seed + (positions.astype(np.uint64) + np.uint64(1)) * _GAMMA
    for shift, factor in _MIX:
        drawn = (drawn ^ (drawn >> shift)) * factor
    drawn ^= drawn >> np.uint64(31)
    if ids:
        empty = hashlib.blake2b(digest_size=8, key=key, person=b"id")
        for at, text in enumerate(ids):
            if text:
                drawn[at] = _hash(empty, text)
    if sessions:
        empty = hashlib.blake2b(digest_size=8, key=key, person=b"session")
        own = (np.uint64(1) << OWN_BITS) - np.uint64(1)
        for at, text in enumerate(sessions):
            if text:
                drawn[at] = (np.uint64(_hash(empty, text)) & ~own) | (drawn[at] & own)
    return drawn


def _hash(empty: "hashlib.blake2b", text: str) -> int:
    digest = empty.copy()
    digest.update(text.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest(), "little")


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows and the n priorities they drew, lowest first: in random order."""

    rows: Rows
    priorities: npt.NDArray[np.uint64]

    @classmethod
    def none(cls, dim: int) -> "Sample":
        """No rows of `dim` dimensions."""
        return cls(Rows.none(dim), np.empty(0, np.uint64))

    def merged(self, rows: Rows, drawn: npt.NDArray[np.uint64], k: int) -> "Sample":
        """The `lowest` `k` among this sample's rows and `rows`; of equal ones, this sample's is kept."""
        new = lowest(drawn, k)
        if len(self.rows) >= k > 0:
            # Most batches of a long scan bring nothing low enough: then nothing is copied.
            new = new[drawn[new] < self.priorities[-1]]
        if not len(new):
            return self
        rows, drawn = rows.take(new), drawn[new]
        if len(self.rows):
            rows, drawn = Rows.stack([self.rows, rows]), np.concatenate([self.priorities, drawn])
        kept = lowest(drawn, k)
        return Sample(rows.take(kept), drawn[kept])
