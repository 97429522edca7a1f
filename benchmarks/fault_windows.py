"""Windows of CLINC150's queries under the bundled encoder: with each fault or change of the data, and healthy."""

import csv
import gzip
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.alternatives import Vectors
from benchmarks.faulty import FAULTS, ServingPath
from benchmarks.worlds import DATA
from drift.encoder.base import Encoder
from drift.encoder.cache import CachedEncoder
from drift.encoder.load import EncoderSpec, load
from drift.encoder.precision import in_precision
from drift.records import Rows

HOME: Final = Path(".drift/faults")
KNOWN: Final = "older model, known"
MIXED: Final = "mixed-versions"
HEALTHY: Final = "healthy"
REFERENCE: Final = 6000
GROWING: Final = "banking"
DATA_CHANGES: Final = {
    "out of scope": "new-topic",
    "more of one domain": "traffic-mix",
    "in markup": "language",
    "sent twice": "duplicates",
}
NO_FAULT: Final = {"bfloat16 vectors": "none", "bfloat16 model": "none", "in batches of 7": "none"}


class Bench:
    """CLINC150 under the right encoder, and windows of it under each fault."""

    def __init__(self, rows: int) -> None:
        with gzip.open(os.environ.get("DRIFT_CLINC150", DATA), "rt") as file:
            found = list(csv.DictReader(file))
        HOME.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(150).permutation(len(found))
        inside = [found[i] for i in order if found[i]["domain"] != "oos"]
        self.rows = rows
        self.encoder = load(EncoderSpec(threads=1))
        self.right = CachedEncoder(self.encoder, HOME / "embeddings.sqlite")
        self.texts = [row["text"] for row in inside[REFERENCE:]]
        self.growing = [row["text"] for row in inside[REFERENCE:] if row["domain"] == GROWING]
        self.foreign = [row["text"] for row in found if row["domain"] == "oos"]
        known = [row["text"] for row in inside[:REFERENCE]]
        vectors = self.right.encode(known)
        self.reference = Rows(vectors, inputs=tuple(known))
        self.path = ServingPath(self.encoder, vectors, HOME)

    def windows(self, fault: str, shares: Sequence[float], seed: int) -> Iterator[tuple[float, str, Rows]]:
        """Windows with `fault` in each of `shares` of the rows, and what should be said of them."""
        rng = np.random.default_rng([seed, *fault.encode()])
        texts = [self.texts[i] for i in rng.choice(len(self.texts), self.rows, replace=False)]
        right = self.right.encode(texts)
        if fault == HEALTHY:
            yield 0.0, "none", rows_of(texts, right)
        elif fault in NO_FAULT:
            yield 1.0, "none", rows_of(texts, self._harmless(fault, texts, right))
        elif fault in DATA_CHANGES:
            for share in shares:
                changed = self._changed(fault, texts, round(share * len(texts)), rng)
                yield share, DATA_CHANGES[fault], rows_of(changed, self.right.encode(changed))
        else:
            expected, serve = FAULTS[fault]
            served = serve(self.path, texts, right, rng)
            for share in shares:
                wrong = rng.permutation(len(texts)) < share * len(texts)
                name = MIXED if expected == "other-model-version" and share < 1 else expected
                yield share, name, rows_of(texts, np.where(wrong[:, None], served, right))

    def candidates(self, fault: str) -> dict[str, Encoder]:
        """The models that are known to the service, besides the right one."""
        return {"older": self.path.older} if fault == KNOWN else {}

    def _harmless(self, how: str, texts: list[str], right: Vectors) -> Vectors:
        if how == "bfloat16 vectors":
            return torch.from_numpy(right).bfloat16().float().numpy()
        if how == "bfloat16 model":
            return in_precision(load(EncoderSpec(threads=1)), "bf16").encode(texts)
        return np.concatenate([self.encoder.encode(texts[at : at + 7]) for at in range(0, len(texts), 7)])

    def _changed(self, how: str, texts: list[str], count: int, rng: np.random.Generator) -> list[str]:
        if how == "sent twice":
            count = min(count, len(texts) // 2)
            changed = texts[:count] + texts[: len(texts) - count]
        elif how == "in markup":
            changed = [f"<p>{text}</p>" for text in texts[:count]] + texts[count:]
        else:
            source = self.foreign if how == "out of scope" else self.growing
            changed = [source[i] for i in rng.choice(len(source), count, replace=count > len(source))] + texts[count:]
        return [changed[i] for i in rng.permutation(len(changed))]


def rows_of(texts: Sequence[str], vectors: Vectors) -> Rows:
    """These texts with what was served for them."""
    return Rows(np.ascontiguousarray(vectors, np.float32), inputs=tuple(texts))
