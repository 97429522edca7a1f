"""Encoders in other precisions: what they give, what they take, and how the gate is asked for them."""

import json
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from drift.cli import app
from drift.encoder.half import multiplying_in
from drift.encoder.load import EncoderSpec, load
from drift.encoder.precision import PRECISIONS, bytes_in_memory, bytes_on_disk, in_precision
from drift.errors import EncoderError
from drift.wiring import gate_encoders

TEXTS = [f"how do I {verb} my {thing}" for verb in ("pay", "find", "close", "move") for thing in "abcdefghijklmnop"]


@pytest.fixture(scope="module")
def encoder():
    return load(EncoderSpec(threads=1))


@pytest.fixture(scope="module")
def made(encoder):
    return {precision: in_precision(encoder, precision) for precision in PRECISIONS}


@pytest.fixture
def probe(tmp_path):
    pq.write_table(pa.table({"input": TEXTS}), tmp_path / "probe.parquet")
    return str(tmp_path / "probe.parquet")


def asked(*words: str):
    return CliRunner().invoke(app, ["gate", "--baseline", "bundled", *words])


@pytest.mark.parametrize(
    ("precision", "most"), [("fp32", 1e-6), ("fp16", 1e-4), ("bf16", 1e-3), ("int8-weights", 2e-3), ("int8", 0.1)]
)
def test_fewer_bits_give_nearly_the_same_vectors(encoder, made, precision, most):
    apart = 1 - (encoder.encode(TEXTS) * made[precision].encode(TEXTS)).sum(1)
    assert apart.max() < most
    assert precision == "fp32" or apart.max() > 1e-8


def test_fewer_bits_take_less_memory_and_less_disk(made):
    for size in (bytes_in_memory, bytes_on_disk):
        taken = {precision: size(one.model) for precision, one in made.items()}
        assert (taken["fp16"], taken["bf16"]) == pytest.approx((taken["fp32"] / 2,) * 2, rel=0.01)
        # The bundled model's linear layers are half of its weights; the other half, embeddings, stays.
        assert taken["int8"] == pytest.approx(taken["int8-weights"], rel=0.01)
        assert taken["int8"] < 0.7 * taken["fp32"]


def test_the_model_that_was_given_stays_as_it_is(encoder, made):
    assert {str(weight.dtype) for weight in encoder.model.parameters()} == {"torch.float32"}
    assert np.allclose(made["fp32"].encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize("precision", ["int8", "int8-weights"])
def test_one_that_multiplies_in_half_precision_can_be_had_in_fewer_bits(encoder, precision):
    half = replace(encoder, model=multiplying_in(deepcopy(encoder.model), torch.float16))
    apart = 1 - (encoder.encode(TEXTS) * in_precision(half, precision).encode(TEXTS)).sum(1)
    assert 1e-8 < apart.max() < 0.1


def test_what_is_no_model_here_has_no_precision():
    @dataclass(frozen=True)
    class Elsewhere:
        dim: int = 3

    with pytest.raises(EncoderError, match="only a text model whose weights are loaded here"):
        in_precision(Elsewhere(), "bf16")


def test_the_gate_tries_a_precision_from_the_command_line(probe):
    done = asked("--candidate", "bundled", "--candidate-dtype", "bf16", "--probe", probe, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["candidate"] == "bundled (bf16)"
    assert {check["check"]: check["value"] for check in said["checks"]}["size"] == pytest.approx(0.5)


@pytest.mark.parametrize(("has", "judged"), [({}, False), ({"avx512_bf16": True}, False), ({"amx_bf16": True}, True)])
def test_how_fast_bfloat16_is_on_a_cpu_that_it_slows_down_decides_nothing(probe, monkeypatch, has, judged):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: has)
    monkeypatch.setattr(gate_encoders, "PIECE", 8)
    done = asked("--candidate", "bundled", "--candidate-dtype", "bf16", "--probe", probe, "--json")
    said = json.loads(done.stdout)
    assert ("latency" in {check["check"] for check in said["checks"]}) is judged
    assert any(note.startswith("Latency is not judged: ") for note in said["notes"]) is not judged
    assert judged or said["verdict"] == "pass"


def test_the_gate_reads_an_encoder_from_a_file(probe, tmp_path):
    (tmp_path / "cls.yaml").write_text("model: bundled\npooling: cls\n")
    done = asked("--candidate", str(tmp_path / "cls.yaml"), "--probe", probe, "--json")
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["reasons"][0].startswith("cls-pooling: ")


def test_the_table_says_what_each_precision_gives_and_takes(tmp_path):
    labels = ["pay", "find", "close", "move"]
    columns = {"input": TEXTS, "label": [labels[i // 16] for i in range(len(TEXTS))]}
    pq.write_table(pa.table(columns), tmp_path / "probe.parquet")
    words = ("gate", "--quantised", "bundled", "--probe", str(tmp_path / "probe.parquet"), "--k", "5")
    done = CliRunner().invoke(app, [*words, "--json", "--markdown", str(tmp_path / "said.md")])
    assert done.exit_code == 0, done.output
    rows = {row["precision"]: row for row in json.loads(done.stdout)["precisions"]}
    assert list(rows) == list(PRECISIONS)
    assert (rows["fp32"]["speed"], rows["fp32"]["recall"], rows["fp32"]["overlap"]) == (1, 1, 1)
    assert all(0.5 < row["accuracy"] <= 1 and row["seconds"] > 0 for row in rows.values())
    assert rows["int8"]["cosine"] < rows["int8-weights"]["cosine"] < rows["fp16"]["cosine"] <= 1
    lines = (tmp_path / "said.md").read_text().splitlines()
    assert "recall@5" in lines[2]
    assert [line.split(" | ")[0] for line in lines[4:9]] == [f"| {name}" for name in PRECISIONS]


@pytest.mark.parametrize("words", [(), ("--baseline", "a"), ("--quantised", "a", "--candidate", "b")])
def test_the_gate_needs_two_sides_or_one_in_every_precision(words):
    done = CliRunner().invoke(app, ["gate", *words])
    assert done.exit_code == 2
    assert "--quantised" in done.output


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("pooling: middle\n", (), "c.yaml:1: pooling"),
        ("model: bundled\n---\nmodel: bundled\n", (), "needs one mapping as in a stream's `encoder`"),
        ("model: bundled\n", ("--candidate-dtype", "int4"), "a precision is one of fp32, fp16"),
    ],
)
def test_what_is_no_encoder_or_precision_ends_with_two(probe, tmp_path, text, words, said):
    (tmp_path / "c.yaml").write_text(text)
    done = asked("--candidate", str(tmp_path / "c.yaml"), "--probe", probe, *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
