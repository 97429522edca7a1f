"""`drift gate` on real encoders and texts: it passes what is the same encoder, and names what is not."""

import copy
import csv
import gzip
import json
import os
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from fakes import FakeEncoder
from tokenizers import normalizers
from typer.testing import CliRunner

from benchmarks.alternatives import quantised
from benchmarks.faulty import int4_groups, int8_rows
from drift.cli import app
from drift.encoder.base import Encoder
from drift.encoder.difference import unlike_layers
from drift.encoder.fingerprint import Pooling
from drift.encoder.load import EncoderSpec, load
from drift.encoder.transformer import TransformerEncoder
from drift.errors import SourceError, UnreadableInputsError
from drift.gate.thresholds import Thresholds, Verdict
from drift.wiring.gate import Request, of_encoders
from drift.wiring.gate_encoders import encoded, recased

DATA = Path(__file__).parents[2] / "shared/data/clinc150/clinc150.csv.gz"
ROWS = 160


@dataclass(frozen=True)
class Case:
    encoder: TransformerEncoder
    probe: Path

    def decide(self, candidate, **given):
        ticks = count()
        request = Request("baseline", "candidate", self.probe, **given)
        clock = lambda: float(next(ticks))  # noqa: E731
        return of_encoders(
            request, self.encoder, candidate, Thresholds(), progress=lambda done, all_: None, clock=clock
        ).decision

    def changed(self, change):
        """The encoder, after `change` of its model."""
        model = copy.deepcopy(self.encoder.model)
        with torch.no_grad():
            change(model)
        return replace(self.encoder, model=model)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    path = Path(os.environ.get("DRIFT_CLINC150", DATA))
    if not path.is_file():
        text = f"CLINC150 is not at {path}: set DRIFT_CLINC150 to clinc150.csv.gz"
        pytest.fail(text) if os.environ.get("CI") == "true" else pytest.skip(text)
    with gzip.open(path, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["domain"] != "oos"]
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:ROWS]]
    probe = tmp_path_factory.mktemp("gate") / "inputs.parquet"
    # Capitals, as people write: what a tokenizer of another case sees.
    columns = {"input": [row["text"].title() for row in rows], "label": [row["domain"] for row in rows]}
    pq.write_table(pa.table(columns | {"half": ["first", "second"] * (ROWS // 2)}), probe)
    return Case(load(EncoderSpec(threads=1)), probe)


def redrawn(model):
    redraw(model.encoder.layer[-1])


def redraw(module):
    """Weights as before training."""
    rng = torch.Generator().manual_seed(0)
    for name, weight in module.named_parameters():
        if weight.ndim > 1:
            weight.normal_(0, 0.02, generator=rng)
        else:
            weight.fill_(float(name.endswith("LayerNorm.weight")))


def rounded(to):
    def change(model):
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.copy_(to(layer.weight))

    return change


def case_kept(encoder):
    tokenizer = copy.deepcopy(encoder.tokenizer)
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    return replace(encoder, tokenizer=tokenizer)


@dataclass(frozen=True)
class Stored:
    """The encoder, its vectors stored in few bits."""

    encoder: TransformerEncoder
    dim: int = 384

    def encode(self, inputs):
        return quantised(self.encoder.encode(inputs), 3)


FAULTY = {
    "cls-pooling": lambda c: replace(c.encoder, recipe=replace(c.encoder.recipe, pooling=Pooling.CLS)),
    "missing-normalisation": lambda c: replace(c.encoder, recipe=replace(c.encoder.recipe, normalise=False)),
    "reinitialised-layers": lambda c: c.changed(redrawn),
    "tokenizer-case": lambda c: case_kept(c.encoder),
    "quantised-weights": lambda c: c.changed(rounded(int4_groups)),
    "quantised-storage": lambda c: Stored(c.encoder),
}


@pytest.mark.parametrize("cause", FAULTY)
def test_what_is_another_encoder_fails_by_its_name(case, cause):
    found = case.decide(FAULTY[cause](case))
    assert found.verdict is Verdict.FAIL
    assert found.reasons[0].startswith(f"{cause}: ")


def test_a_tokenizer_of_another_case_fails_also_where_the_probe_has_no_capitals(case, tmp_path):
    table = pq.read_table(case.probe)
    lower = [text.lower() for text in table["input"].to_pylist()]
    pq.write_table(table.set_column(0, "input", pa.array(lower)), tmp_path / "lower.parquet")
    found = replace(case, probe=tmp_path / "lower.parquet").decide(case_kept(case.encoder))
    assert found.verdict is Verdict.FAIL
    assert found.reasons[0].startswith("tokenizer-case: the tokenizers cut the inputs alike as they are, and 100% ")
    assert [check.name for check in found.checks if check.verdict is not Verdict.PASS] == ["capitals"]


@pytest.mark.parametrize(("alike", "share"), [(0.0, "100%"), (0.75, "25%"), (0.9996, "0.04%")])
def test_a_few_inputs_cut_otherwise_in_capitals_are_not_called_none(alike, share):
    assert f" {share} of them " in recased(alike).evidence


def test_models_of_two_vocabularies_are_not_asked_for_the_same_tokens(case):
    other = copy.deepcopy(case.encoder.tokenizer)
    other.add_tokens(["zzzz"])
    found = case.decide(replace(case_kept(case.encoder), tokenizer=other))
    assert "capitals" not in {check.name for check in found.checks}


def test_the_encoder_itself_passes_in_bfloat16(case):
    found = case.decide(case.changed(lambda model: model.to(torch.bfloat16)), segment="half")
    assert (found.verdict, found.reasons, found.cause) == (Verdict.PASS, (), None)
    assert {check.segment for check in found.checks} == {"", "first", "second"}
    assert next(check.value for check in found.checks if check.name == "size") == 0.5


def test_a_difference_within_limits_passes_and_is_named(case):
    found = case.decide(case.changed(rounded(int8_rows)))
    assert found.verdict is Verdict.PASS
    assert found.cause is not None
    assert found.cause.cause == "quantised-weights"


def test_only_the_layer_that_was_drawn_anew_is_unlike(case):
    assert [layer.name for layer in unlike_layers(case.encoder, case.changed(redrawn))] == ["encoder.layer.5"]
    assert unlike_layers(case.encoder, case.changed(rounded(int4_groups))) == ()


def test_another_model_of_the_same_shape_is_not_one_with_layers_gone(case):
    assert unlike_layers(case.encoder, case.changed(redraw)) == ()


def test_a_probe_without_the_segment_is_refused(case):
    with pytest.raises(SourceError, match="needs a column 'lang' to tell segments apart"):
        case.decide(case.encoder, segment="lang")


@dataclass(frozen=True)
class Choosy:
    """The encoder, which does not take inputs that have one of `words` in them."""

    encoder: Encoder
    words: tuple[str, ...]
    dim: int = 384

    def encode(self, inputs):
        faults = {at: "it is no image" for at, text in enumerate(inputs) if any(word in text for word in self.words)}
        if faults:
            raise UnreadableInputsError(faults, len(inputs))
        return self.encoder.encode(inputs)


@dataclass(frozen=True)
class Overflowing:
    """The encoder, whose vectors of inputs that have `word` in them are none."""

    encoder: TransformerEncoder
    word: str
    dim: int = 384

    def encode(self, inputs):
        vectors = self.encoder.encode(inputs)
        vectors[[self.word in text for text in inputs], 5] = np.nan
        return vectors


def test_vectors_that_are_not_finite_fail_by_name(case):
    found = case.decide(Overflowing(case.encoder, "Can"))
    assert found.verdict is Verdict.FAIL
    assert "coverage" in {check.name for check in found.checks if check.verdict is Verdict.FAIL}
    assert "its vector is not finite" in found.notes[0]
    with pytest.raises(UnreadableInputsError, match="its vector is not finite"):
        case.decide(Overflowing(case.encoder, ""))


def test_what_an_encoder_cannot_read_is_left_out_on_both_sides_and_told(case):
    texts = pq.read_table(case.probe)["input"].to_pylist()
    lost = sum("Can" in text for text in texts)
    assert 0 < lost < ROWS / 4
    found = case.decide(Choosy(case.encoder, ("Can",)))
    coverage = found.checks[0]
    assert (found.rows, coverage.name, coverage.value) == (ROWS - lost, "coverage", 1 - lost / ROWS)
    assert found.notes == (
        f"{lost} of {ROWS} inputs cannot be read and are left out on both sides; first: it is no image.",
        "Latency is not judged: fewer than 6 pieces of 32 inputs were timed on both sides.",
    )
    # The others are held against their own vectors: nothing has moved up by a row.
    assert {check.value for check in found.checks if check.name in {"compatibility", "overlap"}} == {1.0}
    assert found.cause is None


def test_an_encoder_is_warm_when_it_is_timed_though_the_other_does_not_read_the_first_input():
    class Counting(FakeEncoder):
        def encode(self, inputs):
            sizes.append(len(inputs))
            return super().encode(inputs)

    sizes = []
    ticks = count()
    encoded(["no", "yes"], [Choosy(FakeEncoder(), ("no",)), Counting()], lambda *_: None, lambda: next(ticks))
    assert sizes == [1, 2]


def test_each_piece_of_the_inputs_is_timed_alone():
    ticks = iter([0, 32, 32, 96, 96, 128, 128, 160])
    made = encoded(
        ["a"] * 40 + ["no"], [FakeEncoder(), Choosy(FakeEncoder(), ("no",))], lambda *_: None, lambda: next(ticks)
    )
    assert [side.seconds for side in made.sides] == [(1.0, 32 / 9), (2.0, None)]


def test_what_neither_encoder_reads_says_nothing_of_the_candidate(case):
    both = replace(case, encoder=Choosy(case.encoder, ("Can",)))
    found = both.decide(both.encoder)
    assert found.checks[0].value == 1.0
    assert found.notes
    with pytest.raises(SourceError, match="32 inputs that both models take, found"):
        both.decide(Choosy(case.encoder, ("o", "t")))


def test_the_command_encodes_the_probe_with_both(case):
    words = ["gate", "--baseline", "bundled", "--candidate", "bundled", "--probe", str(case.probe), "--json"]
    done = CliRunner().invoke(app, [*words, "--rows", "64"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["rows"], said["cause"]) == (64, None)
    assert {"accuracy_loss", "size"} <= (made := {check["check"] for check in said["checks"]})
    assert "latency" not in made
    assert said["notes"] == ["Latency is not judged: fewer than 6 pieces of 32 inputs were timed on both sides."]
