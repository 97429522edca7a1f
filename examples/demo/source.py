"""The example's traffic: documents drawn in a mix of packages, none of which are in the reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from .corpus import Document, documents
from .faults import REFERENCE_MIX

REFERENCE_ROWS: Final = 1536
# Three documents of four come through the website. What comes through the app is too little to be monitored apart.
CLIENTS: Final = {"web": 0.75, "app": 0.25}


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents of the reference, and all others, which make the traffic."""

    reference: tuple[Document, ...]
    traffic: tuple[Document, ...]


def corpus(cache: Path) -> Corpus:
    """The documents of the installed packages, divided. The reference has the packages in their healthy mix."""
    left = {package: round(share * REFERENCE_ROWS) for package, share in REFERENCE_MIX.items()}
    reference, traffic = [], []
    for document in documents(cache):
        if left.get(document.package, 0):
            left[document.package] -= 1
            reference.append(document)
        else:
            traffic.append(document)
    return Corpus(tuple(reference), tuple(traffic))


class Draw:
    """Draws documents by package, each package's in rounds, so that a window holds no document twice."""

    def __init__(self, pool: tuple[Document, ...], rng: np.random.Generator) -> None:
        self._rng = rng
        packages = sorted({document.package for document in pool})
        self._rounds = {name: self._round([d for d in pool if d.package == name]) for name in packages}

    def _round(self, mine: list[Document]) -> Iterator[Document]:
        while True:
            for i in self._rng.permutation(len(mine)):
                yield mine[i]

    def take(self, count: int, mix: Mapping[str, float]) -> list[Document]:
        """`count` documents, each of a package drawn from `mix` (shares that add up to 1)."""
        names = self._rng.choice(list(mix), count, p=list(mix.values()))
        return [next(self._rounds[str(name)]) for name in names]

    def columns(self, drawn: Sequence[Document]) -> dict[str, list[str]]:
        """What goes with the vectors of `drawn`; whoever sent one has nothing to do with what it says."""
        return {
            "id": [d.id for d in drawn],
            "input": [d.text for d in drawn],
            "label": [d.package for d in drawn],
            "client": [str(c) for c in self._rng.choice(list(CLIENTS), len(drawn), p=list(CLIENTS.values()))],
        }
