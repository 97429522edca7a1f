"""What MMD alone finds of a small shift, beside what theory allows it."""

from statistics import stdev

import numpy as np
import numpy.typing as npt
import pytest
from samples import DIM, least_by_chance, measured, most_by_chance, normalise, reference, s1, shifted, window

from detectors import Mmd

REFERENCES, WINDOWS, ROWS, HELD, SHIFT, ALPHA = 5, 40, 500, 10_000, 0.02, 0.05
DRAWS = 10_000


class Gaussian:
    """Means of samples from S1 as the central limit theorem has them, in the generator's principal directions."""

    def __init__(self, rng: np.random.Generator) -> None:
        x = s1(100_000, rng).astype(np.float64)
        self.mean, self.second_moment = x.mean(0), x.T @ x / len(x)
        variances, self.axes = np.linalg.eigh(np.cov(x.T))
        self.sds = np.sqrt(variances.clip(0))

    def power(self, held: npt.NDArray[np.float64], n: int, rng: np.random.Generator) -> float:
        """The share of windows of `n` rows whose mean, moved by `SHIFT` in a random direction, is further from the
        reference's mean `held` than all but `ALPHA` of the healthy ones are, over references and windows."""
        noise = self.sds * rng.standard_normal((2, DRAWS, DIM))
        bound = np.quantile(np.square(noise[0]).sum(1) * (1 / n + 1 / HELD), 1 - ALPHA)
        directions = normalise(rng.standard_normal((DRAWS, DIM)))
        moved = SHIFT * (directions - directions @ self.second_moment)  # rows have length 1 again
        apart = (moved + self.mean - held) @ self.axes + noise[1] / n**0.5
        return float((np.square(apart).sum(1) > bound).mean())


@pytest.mark.long
def test_mmd_finds_as_many_small_shifts_as_theory_has_it():
    """Case A5 for MMD alone: .4 within two standard errors. For the panel see `tests/test_panel_power.py`."""
    limit, detector = Gaussian(np.random.default_rng(99)), Mmd(permutations=199, reference_rows=HELD)
    shares, theory = [], []
    for seed in range(REFERENCES):
        rng = np.random.default_rng(seed)
        x = s1(HELD, rng)
        held = reference(x, version=str(seed))
        found = [measured(detector, window(shifted(s1(ROWS, rng), SHIFT, rng)), held, i) for i in range(WINDOWS)]
        shares.append(np.mean([of.p_value <= ALPHA for of in found]))
        theory.append(limit.power(x.mean(0, dtype=np.float64), found[0].rows, rng))
    trials, expected = REFERENCES * WINDOWS, float(np.mean(theory))
    assert least_by_chance(trials, expected) <= round(sum(shares) * WINDOWS) <= most_by_chance(trials, expected)
    assert np.mean(shares) >= 0.4 - 2 * stdev(shares) / REFERENCES**0.5
