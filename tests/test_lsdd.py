import numpy as np
import pytest
from samples import least_by_chance, measured, most_by_chance, reference, s1, window

from benchmarks.alternatives import known, replaced
from detectors.lsdd import Lsdd, block
from drift.errors import UnmeasurableError


def difference(x: np.ndarray, y: np.ndarray, centres: np.ndarray, scale: float, ridge: float) -> float:
    """Sugiyama et al. (2013), equations 5 and 6: solve for theta, then 2 h' theta - theta' H theta."""

    def features(rows: np.ndarray) -> np.ndarray:
        return np.exp(-((rows[:, None] - centres) ** 2).sum(2) / scale)

    overlap = np.exp(-((centres[:, None] - centres) ** 2).sum(2) / (2 * scale))
    h = features(x).mean(0) - features(y).mean(0)
    theta = np.linalg.solve(overlap + ridge * np.eye(len(centres)), h)
    return float(2 * h @ theta - theta @ overlap @ theta)


def test_is_the_least_squares_difference_less_its_bias():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((192, 3)) + 0.4, rng.standard_normal((600, 3))
    held = reference(y)
    value = measured(Lsdd(permutations=9, centres=20), window(x), held).value
    pinned = block(held, 5120, 20, 0.01)
    kernel = pinned.kernel
    centre = pinned.centre.numpy().astype(float)
    used = y[: len(pinned.rows)]
    assert len(used) == 580  # the centres are not among the permuted
    biased = difference(x - centre, used - centre, kernel.centres.numpy().astype(float), kernel.scale, 0.01)

    def own(rows: np.ndarray) -> float:
        """What counting each row's kernel to itself adds."""
        phi = kernel.features(pinned.rows.new_tensor(rows - centre)).double().numpy()
        total, n = (phi.sum(0) ** 2).sum(), len(rows)
        return float(((phi**2).sum() - (total - (phi**2).sum()) / (n - 1)) / n**2)

    assert value == pytest.approx(biased - own(x) - own(used), abs=1e-5)


def test_p_values_of_healthy_windows_are_uniform():
    rng, trials = np.random.default_rng(1), 250
    p = []
    for _ in range(trials):
        x = s1(300, rng)
        p.append(measured(Lsdd(permutations=99, min_rows=30), window(x[:30]), reference(x[30:])).p_value)
    for alpha in (0.05, 0.1):
        assert least_by_chance(trials, alpha) <= np.sum(np.array(p) <= alpha) <= most_by_chance(trials, alpha)


def test_finds_a_region_that_has_grown():
    rng = np.random.default_rng(2)
    held = reference(s1(4096, rng))
    found = measured(Lsdd(), window(replaced(s1(256, rng), 0.3, lambda n: known(n, rng))), held)
    assert found.p_value == 1 / 1000
    assert found.value > found.band_high


def test_a_reference_of_which_no_row_can_be_spared_is_refused():
    x = s1(100, np.random.default_rng(3))
    with pytest.raises(UnmeasurableError, match=r"at least 64 rows, search@.* has 63: "):
        measured(Lsdd(), window(x), reference(x[:63]))
    assert np.isfinite(measured(Lsdd(), window(x), reference(x[:64])).value)
    with pytest.raises(ValueError, match="ridge > 0"):
        Lsdd(ridge=0.0)
