"""Rows that a store has rounded are counted; rows as encoders give them, in floats of any width, are not."""

import numpy as np
import pytest
import torch
from samples import reference, s1, window

from benchmarks.alternatives import normalise, quantised
from detectors.quantised import Quantised, on_lattice
from drift.store import codec

HELD = reference(s1(400, np.random.default_rng(1)))


def measured(x, held=HELD) -> float:
    return Quantised().measure(window(x), held, rng=np.random.default_rng(0)).value


@pytest.mark.parametrize("bits", [8, 6, 4, 2])
@pytest.mark.parametrize("after", [lambda x: x, normalise, lambda x: (7 * x).astype(np.float32)])
def test_integers_are_seen_whatever_their_scale(bits, after):
    x = after(quantised(s1(40, np.random.default_rng(0)), bits)).astype(np.float32)
    assert on_lattice(x).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_floats_of_any_width_are_not_called_integers(dtype):
    x = torch.from_numpy(s1(200, np.random.default_rng(0))).to(dtype).float().numpy()
    assert measured(x) == 0


def test_the_share_of_rounded_rows_is_measured():
    x = s1(100, np.random.default_rng(2))
    x[:20] = quantised(x[:20], 8)
    assert measured(x) == pytest.approx(0.2)


def test_what_the_reference_has_too_is_no_fault():
    whole = reference(quantised(s1(400, np.random.default_rng(1)), 8))
    assert measured(quantised(s1(100, np.random.default_rng(2)), 8), whole) == 0


def test_sparse_and_constant_rows_are_not_called_integers():
    x = s1(40, np.random.default_rng(3))
    x[:, 50:] = 0
    assert measured(x) == 0
    assert measured(np.ones_like(x)) == 0


def test_stored_windows_keep_what_they_were_rounded_to():
    x = s1(100, np.random.default_rng(2))
    x[:20] = quantised(x[:20], 8)
    dtype, data = codec.compact(x)
    assert measured(codec.vectors(data, x.shape[1], dtype)) == pytest.approx(0.2)
    assert codec.compact(x[20:])[0] == codec.HALF
