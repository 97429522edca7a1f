"""Faults that look like others: rows made alike by something else, limits that nobody lists, stores of other kinds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import normalise, reference, s1, window

from drift.diagnosis import diagnose
from drift.diagnosis.between import fault_between, own_part
from drift.diagnosis.codes import coded
from drift.diagnosis.pairs import Tolerance, pairs_of
from drift.diagnosis.storage import on_grids
from drift.encoder.limits import LIMITS
from drift.encoder.load import EncoderSpec, load
from drift.encoder.variants import without_accents

ROWS = 96
RNG = np.random.default_rng(5)
HELD = s1(1200, RNG)
RIGHT = s1(ROWS, RNG)
LARGE = np.quantile(np.abs(RIGHT), 0.5)
TEXTS = tuple(f"input {n}" for n in range(ROWS))


def named(served, right=RIGHT, texts=TEXTS, encoder=None):
    """The slug of the fault between served and right vectors, "" where none is known; and what speaks for it."""
    found = fault_between(pairs_of(texts, served.astype(np.float32), right, Tolerance()), HELD, encoder)
    return ("", "") if found is None else (found.cause, found.evidence)


def product_quantised(x, parts):
    """Each part of a vector as the nearest of 60 that others have."""
    pieces = []
    for piece, known in zip(np.split(x, parts, 1), np.split(HELD[:60], parts, 1), strict=True):
        pieces.append(known[np.square(piece[:, None] - known[None]).sum(2).argmin(1)])
    return np.concatenate(pieces, 1)


def in_steps(x, levels):
    """Each dimension in its own range, of which the ends are cut off."""
    low, high = np.quantile(HELD, (0.01, 0.99), axis=0)
    step = np.maximum(high - low, 1e-9) / (levels - 1)
    return (np.round((x - low) / step).clip(0, levels - 1) * step + low).astype(np.float32)


def integers(x, most):
    return np.round(x / most * 127).clip(-127, 127).astype(np.float32)


STORES = {
    "codebooks": product_quantised(RIGHT, 16),
    "codebooks, normalised": normalise(product_quantised(RIGHT, 16)),
    "4 bits in each dimension": in_steps(RIGHT, 16),
    "8 bits in each dimension": in_steps(RIGHT, 256),
    "integers": integers(RIGHT, np.abs(RIGHT).max()),
    "integers, the largest cut off": integers(RIGHT, np.quantile(np.abs(RIGHT), 0.99)),
    "signs": np.where(RIGHT > 0, 1, -1),
}


@pytest.mark.parametrize("store", STORES)
def test_a_store_of_few_bits_is_named_with_inputs_and_without(store):
    served = STORES[store].astype(np.float32)
    pairs = pairs_of(TEXTS, served, RIGHT, Tolerance(0.0, 0.0))
    found = fault_between(pairs, HELD)
    assert found is not None
    assert found.cause == "quantised-storage", found
    alone = diagnose(window(served), reference(HELD), rng=np.random.default_rng(0)).causes[0]
    assert alone.cause == "quantised-storage", alone


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_no_float_of_16_bits_or_more_is_held_for_a_code(dtype):
    for x in (RIGHT, normalise(RIGHT / 20 + HELD.mean(0)), RIGHT[np.arange(ROWS) % 3]):
        stored = torch.from_numpy(x.astype(np.float32)).to(dtype).float().numpy()
        assert not on_grids(stored)[0].any()
        assert coded(stored).mean() < 0.02


UNNAMED = {
    "clipped": RIGHT.clip(-LARGE, LARGE),
    "centred": normalise(RIGHT - HELD.mean(0)),
    "whitened": normalise((RIGHT - HELD.mean(0)) / HELD.std(0).clip(1e-9)),
}


@pytest.mark.parametrize("change", UNNAMED)
def test_what_is_no_store_of_few_bits_is_not_named(change):
    assert named(UNNAMED[change])[0] == ""


def test_one_vector_near_the_mean_is_constant_and_not_shrunk():
    assert named(np.repeat(HELD.mean(0, keepdims=True), ROWS, 0))[0] == "constant-output"


def test_rows_are_joined_to_other_inputs_and_not_to_other_spellings_of_their_own():
    swapped = RIGHT[np.arange(ROWS) ^ 1]
    assert named(swapped)[0] == "id-join"
    alike = normalise(RIGHT[np.arange(ROWS) // 2 * 2] + 0.3 * normalise(RIGHT)).astype(np.float32)
    spelt = tuple(f"{'  Input' if n % 2 else 'input'} {n // 2}{'!' * (n % 2)}" for n in range(ROWS))
    assert named(alike[np.arange(ROWS) ^ 1], alike)[0] == "id-join"
    assert named(alike[np.arange(ROWS) ^ 1], alike, spelt)[0] == ""


def test_rows_that_all_get_the_vector_of_one_input_are_not_joined():
    served = RIGHT.copy()
    served[1:5] = RIGHT[0]
    assert named(served)[0] == "constant-output"


def test_what_all_rows_have_in_common_explains_none():
    common = 0.5 * normalise(RNG.standard_normal((1, RIGHT.shape[1])))
    one, other = (normalise(RIGHT + common + 0.15 * normalise(RNG.standard_normal(RIGHT.shape))) for _ in range(2))
    assert own_part(one, other, RIGHT, 1.0).mean() < 0.05
    assert own_part(one, one, RIGHT, 1.0).min() == 1


@pytest.fixture(scope="module")
def encoder():
    made = load(EncoderSpec(threads=1))
    return replace(made, recipe=replace(made.recipe, max_length=32))


LONG = tuple(
    " ".join(f"{word} {n * k}" for k, word in enumerate(("alpha", "beta", "gamma", "delta") * 7)) for n in range(9)
)


@pytest.mark.parametrize(
    ("limit", "said"),
    [(27, "cut to 27 tokens explains 100%"), (45, "45 tokens and not to the recipe's 32 explains 100%")],
)
def test_a_limit_is_found_to_the_token_and_also_above_the_recipes(encoder, limit, said):
    served = replace(encoder, recipe=replace(encoder.recipe, max_length=limit)).encode(LONG)
    cause, evidence = named(served, encoder.encode(LONG), LONG, encoder)
    assert cause == "truncation"
    assert said in evidence


def test_a_limit_between_the_last_usual_one_and_the_longest_input_is_found(encoder):
    whole = replace(encoder, recipe=replace(encoder.recipe, max_length=256))
    texts = LONG[5:6]
    limit = len(whole.tokenize(texts)[0]) - 1
    assert limit not in LIMITS
    served = replace(encoder, recipe=replace(encoder.recipe, max_length=limit)).encode(texts)
    pairs = pairs_of(texts, served, whole.encode(texts), Tolerance(1e-6))
    found = fault_between(pairs, HELD, whole)
    assert found is not None
    assert f"cut to {limit} tokens explains 100%" in found.evidence


def test_a_limit_that_leaves_inputs_nothing_of_their_own_is_still_a_limit(encoder):
    served = replace(encoder, recipe=replace(encoder.recipe, max_length=4)).encode(LONG)
    assert len(np.unique(served.round(5), axis=0)) < len(LONG)
    assert named(served, encoder.encode(LONG), LONG, encoder)[0] == "truncation"


def test_accents_are_taken_off():
    assert without_accents("naïve café Ünïcode") == "naive cafe Unicode"
