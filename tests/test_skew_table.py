"""Faults of serving paths in one row of twenty, on real texts with the real encoder: skew sees each, no numerics."""

import csv
import gzip
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import torch
from fakes import LENGTH, make_monitor
from samples import reference, window

from benchmarks.alternatives import normalise
from benchmarks.faulty import FAULTS, Serve, ServingPath, mean, on_texts
from detectors import Skew
from drift.config.slos import default_slos
from drift.diagnosis.pairs import deviation
from drift.encoder.cache import CachedEncoder
from drift.encoder.load import EncoderSpec, load
from drift.pipeline.measure import recompute
from drift.slo import Outcome, Severity

DATA = Path(__file__).parents[2] / "shared/data/clinc150/clinc150.csv.gz"
ROWS, REENCODED, FAULTY = 128, 64, 7
TEN_TIMES: Final = 10 * Skew().tolerance
LONG: Final = 24
"""Queries strung together to a long text: about 250 tokens."""


def noisy(sd: float) -> Serve:
    def change(weights: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(weights.shape, generator=torch.Generator().manual_seed(0))
        return weights + sd * weights.std() * noise

    return lambda path, texts, right, rng: path.with_weights(texts, change)


SHORT_FAULTS: Final[Mapping[str, Serve]] = {
    **{
        name: FAULTS[name][1]
        for name in (
            "no special tokens",
            '"query: "',
            '"passage: "',
            "instruction",
            "capitals as unknown tokens",
            "mean over pads of the batch",
            "mean over pads to 128",
            "no mask, to 128",
            "CLS pooling",
            "max pooling",
            "last-token pooling",
            "layer 5 of 6",
            "PyTorch's dynamic int8",
            "int4 weights, groups of 64",
            "stored in 4 bits",
            "stored as signs",
            "rotated",
            "vectors of the next row",
        )
    },
    "html-wrapped": on_texts(lambda text: f"<p>{text}</p>"),
    "weights with 5 % noise": noisy(0.05),
    "weights with 10 % noise": noisy(0.1),
}
OF_BATCH: Final = {"mean over pads of the batch": 2 * FAULTY}
"""So many rows are served together where the longest of them stay right."""
LONG_FAULTS: Final[Mapping[str, Serve]] = {
    f"cut to {n} tokens": (lambda p, t, x, r, n=n: p.with_recipe(t, max_length=n)) for n in (128, 64, 32)
}


@dataclass(frozen=True)
class Case:
    """Texts of which the first `FAULTY` are long, and their right vectors."""

    encoder: CachedEncoder
    path: ServingPath
    texts: list[str]
    right: np.ndarray

    def skew(self, served: np.ndarray):
        monitor = make_monitor(engine=None, encoder=self.encoder, reencode=REENCODED)
        of = recompute(window(served, inputs=tuple(self.texts)), monitor)
        return Skew().measure(of, reference(self.right), rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    path = Path(os.environ.get("DRIFT_CLINC150", DATA))
    if not path.is_file():
        text = f"CLINC150 is not at {path}: set DRIFT_CLINC150 to clinc150.csv.gz"
        pytest.fail(text) if os.environ.get("CI") == "true" else pytest.skip(text)
    with gzip.open(path, "rt") as file:
        found = [row["text"] for row in csv.DictReader(file)]
    drawn = [found[i] for i in np.random.default_rng(16).permutation(len(found))[: (FAULTY + 1) * LONG + ROWS]]
    long = [". ".join(drawn[i * LONG : (i + 1) * LONG]) for i in range(FAULTY)]
    texts = long + drawn[-(ROWS - FAULTY) :]
    encoder = load(EncoderSpec(threads=1))
    remembering = CachedEncoder(encoder)
    right = remembering.encode(texts)
    return Case(remembering, ServingPath(encoder, right, tmp_path_factory.mktemp("serving")), texts, right)


def faulty(case: Case, serve: Serve, rows: np.ndarray) -> np.ndarray:
    """What is served with the fault in `rows` alone."""
    served = case.right.copy()
    texts = [case.texts[i] for i in rows]
    served[rows] = serve(case.path, texts, case.right[rows], np.random.default_rng(1))
    apart = deviation(normalise(served[rows]), normalise(case.right[rows]))
    assert (apart >= TEN_TIMES).sum() >= FAULTY, apart  # else it is no fault of the table
    return served


def outcomes(case: Case, serve: Serve, drawn: list[np.ndarray]) -> list[Outcome]:
    (slo,) = default_slos(["skew"])
    return [slo.sli.judge(case.skew(faulty(case, serve, rows))) for rows in drawn]


@pytest.mark.parametrize("fault", SHORT_FAULTS)
def test_a_fault_in_one_row_of_twenty_is_bad_within_two_windows(case, fault):
    rng = np.random.default_rng(5)
    drawn = [FAULTY + rng.permutation(ROWS - FAULTY)[: OF_BATCH.get(fault, FAULTY)] for _ in range(2)]
    assert Outcome.BAD in outcomes(case, SHORT_FAULTS[fault], drawn)


@pytest.mark.parametrize("fault", LONG_FAULTS)
def test_a_fault_of_long_inputs_alone_is_bad_in_each_window(case, fault):
    assert outcomes(case, LONG_FAULTS[fault], [np.arange(FAULTY)]) == [Outcome.BAD]


def test_numerics_batches_and_padding_are_never_bad(case):
    texts = case.texts
    half = {dtype: torch.from_numpy(case.right).to(dtype).float().numpy() for dtype in (torch.bfloat16, torch.float16)}
    encoder = case.path.encoder
    others = {
        "stored in bfloat16": half[torch.bfloat16],
        "stored in float16": half[torch.float16],
        "computed in bfloat16": load(EncoderSpec(dtype="bfloat16", threads=1)).encode(texts),
        "in batches of 5": np.concatenate([encoder.encode(texts[at : at + 5]) for at in range(0, ROWS, 5)]),
        "padded": np.concatenate([case.right[:FAULTY], case.path.pooled(texts[FAULTY:], mean, length=64)]),
    }
    assert {name: case.skew(served).value for name, served in others.items()} == dict.fromkeys(others, 0.0)


def test_three_bad_windows_of_five_minutes_page():
    slo = default_slos(["skew"])[0].slo("search", LENGTH)
    assert min(tier.bad_long for tier in slo.tiers if tier.rule.severity is Severity.PAGE) == 3
