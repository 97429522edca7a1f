"""The fault of a serving path is named, on real texts with the real encoder; where nothing is wrong, nothing is."""

import csv
import gzip
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from samples import reference, window
from typer.testing import CliRunner

from benchmarks.faulty import FAULTS, ServingPath
from drift.cli import app
from drift.diagnosis import diagnose
from drift.diagnosis.between import explanations
from drift.diagnosis.explain import rank
from drift.diagnosis.pairs import Tolerance, pairs_of
from drift.encoder.load import EncoderSpec, load
from drift.encoder.precision import in_precision
from drift.encoder.transformer import TransformerEncoder
from drift.errors import UnmeasurableError
from drift.records import Reference

DATA = Path(__file__).parents[2] / "shared/data/clinc150/clinc150.csv.gz"
ROWS, REFERENCE = 160, 1600
KNOWN, UNTOLD = "older model, known", "older model, not known"
# Few enough to be run each time; `benchmarks.faults` has all, and takes minutes.
QUICK = ("not normalised", "max pooling", "cut to 6 tokens", "rotated", "vectors of the next row", "one cached vector")


@dataclass(frozen=True)
class Case:
    """Right vectors of texts that the reference does not have."""

    encoder: TransformerEncoder
    texts: list[str]
    right: np.ndarray
    foreign: list[str]
    reference: Reference
    path: ServingPath

    def say(self, vectors, texts=None, **given):
        of = window(vectors, inputs=tuple(texts or self.texts))
        found = diagnose(of, self.reference, self.encoder, rng=np.random.default_rng(0), **given)
        assert sum(cause.score for cause in found.causes) <= 1.005
        assert not {cause.cause for cause in found.causes} & set(found.ruled_out)
        assert set(found.against) <= set(found.ruled_out)
        return found


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    path = Path(os.environ.get("DRIFT_CLINC150", DATA))
    if not path.is_file():
        text = f"CLINC150 is not at {path}: set DRIFT_CLINC150 to clinc150.csv.gz"
        pytest.fail(text) if os.environ.get("CI") == "true" else pytest.skip(text)
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    texts = [rows[i]["text"] for i in np.random.default_rng(0).permutation(len(rows)) if rows[i]["domain"] != "oos"]
    known, texts = tuple(texts[:REFERENCE]), texts[REFERENCE:][:ROWS]
    encoder = load(EncoderSpec(threads=1))
    held = reference(encoder.encode(known), inputs=known)
    foreign = [row["text"] for row in rows if row["domain"] == "oos"][:ROWS]
    home = tmp_path_factory.mktemp("serving")
    return Case(encoder, texts, encoder.encode(texts), foreign, held, ServingPath(encoder, held.vectors, home))


def faulty(case: Case, fault: str, share: float):
    rng = np.random.default_rng(1)
    served = FAULTS[fault][1](case.path, case.texts, case.right, rng)
    return np.where((rng.permutation(ROWS) < share * ROWS)[:, None], served, case.right)


@pytest.mark.parametrize("share", [1.0, 0.2])
@pytest.mark.parametrize("fault", QUICK)
def test_the_fault_is_named_first(case, fault, share):
    candidates = {"older": case.path.older} if fault == KNOWN else {}
    expected = "mixed-versions" if fault == KNOWN and share < 1 else FAULTS[fault][0]
    found = case.say(faulty(case, fault, share), candidates=candidates)
    assert found.causes[0].cause == expected, found


ONCE = (
    "CLS pooling",
    "last-token pooling",
    "mean over pads to 128",
    "no mask in the batch",
    '"query: "',
    "punctuation stripped",
    "no special tokens",
    "layer 5 of 6",
    "int8 weights",
    "PyTorch's dynamic int8",
    "dimensions permuted",
    "collapse to 8 directions",
    "half way to the mean",
    KNOWN,
)


@pytest.mark.parametrize("fault", ONCE)
def test_each_fault_that_has_a_name_is_called_by_it(case, fault):
    few = replace(case, texts=case.texts[:48], right=case.right[:48])
    served = FAULTS[fault][1](case.path, few.texts, few.right, np.random.default_rng(1))
    assert few.say(served, candidates={"older": case.path.older}).causes[0].cause == FAULTS[fault][0]


VECTORS = (
    "stored as signs about the median",
    "stored as bits",
    "stored in 2 decimals",
    "stored in 8-bit floats",
    "other sign",
    "negative numbers lost",
    "small numbers lost",
    "averaged with the row before",
    "each 12th dimension zero",
    "half of the dimensions",
    "length 2",
)


@pytest.mark.parametrize("share", [1.0, 0.2, 0.05])
@pytest.mark.parametrize("fault", VECTORS)
def test_what_was_done_to_vectors_is_named_or_unknown_and_never_wrong(case, fault, share):
    pairs = pairs_of(tuple(case.texts), faulty(case, fault, share), case.right, Tolerance())
    tried = list(explanations(pairs, case.reference.vectors, None, {}))
    assert next(rank(tried, len(tried[0].explained))).cause == FAULTS[fault][0]


def test_integers_are_known_from_as_many_rows_as_a_scale_of_each_dimension_needs(case):
    for share, cause in ((1.0, "quantised-storage"), (0.2, "quantised-storage"), (0.05, "unknown")):
        pairs = pairs_of(tuple(case.texts), faulty(case, "served as integers", share), case.right, Tolerance())
        tried = list(explanations(pairs, case.reference.vectors, None, {}))
        assert next(rank(tried, len(tried[0].explained))).cause == cause


@pytest.mark.parametrize("seed", range(3))
def test_no_fault_is_named_where_all_is_well(case, seed):
    rows = np.random.default_rng(seed).permutation(ROWS)[:140]
    found = case.say(case.right[rows], [case.texts[i] for i in rows])
    assert [cause.cause for cause in found.causes] == ["none"]
    assert {"truncation", "new-topic"} <= set(found.ruled_out)
    assert re.search(
        r"re-encoded rows are as served, the farthest at a cosine of (0\.9999\d+|1\.0+)", found.against["truncation"]
    )
    assert re.search(r"of rows are novel .*\(p 0?\.?\d", found.against["new-topic"])


def test_other_numerics_are_no_fault(case):
    stored = torch.from_numpy(case.right).bfloat16().float().numpy()
    computed = in_precision(case.encoder, "bf16").encode(case.texts)
    batches = np.concatenate([case.encoder.encode(case.texts[at : at + 7]) for at in range(0, ROWS, 7)])
    assert [case.say(vectors).causes[0].cause for vectors in (stored, computed, batches)] == ["none"] * 3


def test_foreign_texts_served_right_are_a_new_topic(case):
    texts = case.foreign[:80] + case.texts[80:]
    found = case.say(case.encoder.encode(texts), texts)
    assert found.causes[0].cause == "new-topic"
    assert "truncation" in found.ruled_out


def test_texts_in_markup_served_right_are_a_change_of_language_or_format(case):
    texts = [f"<p>{text}</p>" for text in case.texts[:60]] + case.texts[60:]
    assert case.say(case.encoder.encode(texts), texts).causes[0].cause == "language"


def test_a_batch_sent_twice_is_duplicates(case):
    vectors, texts = np.concatenate([case.right[:100], case.right[:60]]), case.texts[:100] + case.texts[:60]
    assert case.say(vectors, texts).causes[0].cause == "duplicates"


def test_a_reference_that_the_encoder_did_not_make_is_the_environments(case):
    inputs = case.reference.rows.inputs[:600]
    other = replace(case, reference=reference(case.path.older.encode(inputs), inputs=inputs))
    assert other.say(case.path.older.encode(case.texts)).causes[0].cause == "environment"


def test_two_faults_at_once_are_both_named(case):
    vectors = faulty(case, "max pooling", 1.0)
    vectors[::2] = case.path.with_recipe(case.texts[::2], normalise=False)
    assert {cause.cause for cause in case.say(vectors).causes[:2]} == {"max-pooling", "missing-normalisation"}


def test_the_evidence_counts_rows_of_other_inputs_and_dimensions_that_are_gone(case):
    found = case.say(faulty(case, "vectors of the next row", 0.2)).causes[0]
    assert (found.cause, "rows have the vectors of other inputs (" in found.evidence) == ("id-join", True)
    short = case.right.copy()
    short[:, -96:] = 0  # one of these is next to nothing in every vector of this model
    assert "96 of 384 dimensions are zero" in case.say(short).causes[0].evidence


def test_versions_that_rows_declare_make_an_unknown_fault_a_mixture(case):
    vectors = faulty(case, UNTOLD, 0.3)
    wrong = np.abs(vectors - case.right).max(1) > 0
    versions = tuple("1" if bad else "2" for bad in wrong)
    of = window(vectors, inputs=tuple(case.texts), encoder_versions=versions)
    found = diagnose(of, case.reference, case.encoder, rng=np.random.default_rng(0))
    assert found.causes[0].cause == "mixed-versions"


def test_an_encoder_of_another_length_is_refused(case):
    with pytest.raises(UnmeasurableError, match="384 dimensions, the rows have 100"):
        case.say(np.ascontiguousarray(case.right[:, :100]))


def test_the_command_names_the_fault_of_a_file(case, tmp_path):
    def write(name, vectors, texts):
        vector = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1])
        pq.write_table(pa.table({"vector": vector, "input": texts}), tmp_path / name)
        return str(tmp_path / name)

    held = write("reference.parquet", case.reference.vectors, case.reference.rows.inputs)
    cut = write("cut.parquet", faulty(case, "cut to 6 tokens", 1.0), case.texts)
    (tmp_path / "declared.yaml").write_text("model: bundled\npooling: mean\nmax_length: 128\n")
    words = ["diagnose", cut, "--reference", held, "--encoder", str(tmp_path / "declared.yaml"), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"rows", "of", "causes", "ruled_out", "against"}
    assert set(found["causes"][0]) == {"cause", "score", "evidence", "next_step"}
    assert found["causes"][0]["cause"] == "truncation"
    assert "cut to 6 tokens" in found["causes"][0]["evidence"]
