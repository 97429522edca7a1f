import numpy as np
import pytest
from samples import DIM, SPECTRUM, s1


def test_s1_is_like_a_sentence_encoder():
    x = s1(10_000, np.random.default_rng(0)).astype(np.float64)
    covariance = np.cov(x.T)
    assert SPECTRUM.sum() ** 2 / (SPECTRUM**2).sum() == pytest.approx(101, abs=1)
    assert x.mean(0) @ x.mean(0) == pytest.approx(0.107, abs=0.002)
    assert np.trace(covariance) / DIM == pytest.approx(0.00233, abs=0.00001)
    pairs = (2 - 2 * x[:2000] @ x[:2000].T)[np.triu_indices(2000, 1)]
    assert np.median(pairs) == pytest.approx(1.78, abs=0.01)
    assert (x.std(0) == 0).sum() == 3
