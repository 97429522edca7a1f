"""Each of the panel's statistics against a plain computation of the same, and what must not change them."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from samples import normalise, rotation, s1
from scipy.linalg import sqrtm
from scipy.stats import ks_2samp

from detectors.panel.clusters import CLUSTERS, PARTITIONS
from detectors.panel.grid import PIECE, fit_grid
from detectors.panel.space import Space, fit_space, observe, principal_axes
from detectors.panel.statistics import GROUP, NAMES, evaluate

Matrix = npt.NDArray[np.floating]


def fitted(fit: Matrix, calibration: Matrix) -> Space:
    return fit_space(torch.tensor(fit), torch.tensor(calibration), np.random.default_rng(0))


def values(space: Space, window: Matrix) -> dict[str, float]:
    rows = observe(space, space.centred(torch.tensor(window)))
    return dict(zip(NAMES, evaluate(space, rows, torch.arange(len(window))[None])[0].tolist(), strict=True))


def squared(x: Matrix, y: Matrix) -> Matrix:
    return ((x[:, None] - y[None]) ** 2).sum(2)


@pytest.fixture(scope="module")
def small() -> tuple[Matrix, Matrix, Matrix]:
    """Fit, calibration and window rows of five dimensions with unequal spreads, one of them dead."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((900, 5)) * [3, 2, 1, 0.5, 0] + 4
    window = rng.standard_normal((90, 5)) * [3, 2.5, 1, 0.4, 0] + [4.2, 4, 4, 4, 4]
    return x[:400], x[400:], window


@pytest.fixture(scope="module")
def found(small: tuple[Matrix, Matrix, Matrix]) -> dict[str, float]:
    return values(fitted(*small[:2]), small[2])


def test_mmd_is_the_mean_of_kernels_over_pairs_and_not_floored(small: tuple[Matrix, Matrix, Matrix], found):
    x, calibration, y = small
    scale = np.median(squared(x, x)[np.triu_indices(400, 1)])

    def mean_over_pairs(a: Matrix, b: float) -> float:
        return (np.exp(-squared(a, a) / (b * scale)).sum() - len(a)) / (len(a) * (len(a) - 1))

    for name, b in (("mmd_narrow", 0.25), ("mmd_wide", 1)):
        across = np.exp(-squared(y, x) / (b * scale)).mean()
        assert found[name] == pytest.approx(mean_over_pairs(y, b) + mean_over_pairs(x, b) - 2 * across, abs=1e-5)
    assert any(values(fitted(x, calibration), calibration[i : i + 90])["mmd_wide"] < 0 for i in range(0, 410, 45))


def test_hotelling_frechet_and_trace_are_what_their_formulas_say(small: tuple[Matrix, Matrix, Matrix], found):
    x, _, y = small
    gap, held, seen = y.mean(0) - x.mean(0), np.cov(x.T), np.cov(y.T)
    ridge = np.trace(held) / 4  # four live directions
    for name, strength in (("ridge_strong", 0.4), ("ridge_light", 0.04)):
        assert found[name] == pytest.approx(gap @ np.linalg.solve(held + strength * ridge * np.eye(5), gap), rel=1e-4)
    root = np.real(sqrtm(held[:4, :4] @ seen[:4, :4]))
    assert found["frechet"] == pytest.approx(gap @ gap + np.trace(held + seen) - 2 * np.trace(root), rel=1e-4)
    assert found["trace"] == pytest.approx(np.trace(seen), rel=1e-5)


def test_mahalanobis_mean_and_sd_are_those_of_the_rows(small: tuple[Matrix, Matrix, Matrix], found):
    x, _, y = small
    held = np.cov(x.T) + 0.001 * np.trace(np.cov(x.T)) / 4 * np.eye(5)
    rows = y - x.mean(0)
    scores = (rows * np.linalg.solve(held, rows.T).T).sum(1)
    assert found["mahalanobis_mean"] == pytest.approx(scores.mean(), rel=1e-4)
    assert found["mahalanobis_sd"] == pytest.approx(scores.std(ddof=1), rel=1e-4)


def test_kolmogorov_smirnov_falls_short_of_the_two_sample_one_by_a_cell_at_most(small, found):
    x, _, y = small
    exact = max(ks_2samp(x[:, j], y[:, j]).statistic for j in range(4))
    assert exact - 0.012 <= found["ks_dimensions"] <= exact + 1e-6
    axes = np.linalg.eigh(np.cov(x.T))[1][:, 1:]
    exact = max(ks_2samp(x @ axis, y @ axis).statistic for axis in axes.T)
    assert exact - 0.012 <= found["ks_axes"] <= exact + 1e-6


def test_clusters_are_compared_by_the_shares_of_rows_nearest_to_their_centres(small, found):
    x, _, y = small
    space = fitted(*small[:2])
    centres = torch.cat(space.partitions.centres).numpy()
    assert len(centres) == PARTITIONS * CLUSTERS
    distance = 0.0
    for start in range(0, len(centres), CLUSTERS):
        p, q = (
            np.bincount(
                squared((rows - x.mean(0)) @ space.axes.numpy(), centres[start : start + CLUSTERS]).argmin(1),
                minlength=CLUSTERS,
            )
            / len(rows)
            for rows in (x, y)
        )
        assert p.min() > 0
        distance += ((p - q) ** 2 / (p + 1 / CLUSTERS)).sum()
    assert found["clusters"] == pytest.approx(distance, rel=1e-6)
    assert len({tuple(sorted(centres[i : i + CLUSTERS, 0])) for i in range(0, len(centres), CLUSTERS)}) == PARTITIONS


@pytest.mark.parametrize(("least", "most"), [(-3, 4), (0, 7), (1, 3), (0, 2)])
def test_ties_and_what_lies_beyond_the_reference_are_counted_right(least: int, most: int):
    unit = np.array([1, 1e4], np.float32)
    steps = unit * np.random.default_rng(0).integers(0, 4, (500, 2)).astype(np.float32)
    other = unit * np.random.default_rng(1).integers(least, most, (200, 2)).astype(np.float32)
    grid = fit_grid(torch.tensor(steps))
    exact = max(ks_2samp(steps[:, j], other[:, j]).statistic for j in range(2))
    assert float(grid.distances(grid.cells(torch.tensor(other))[None])) == pytest.approx(exact, abs=1e-6)


def test_novelty_is_the_share_beyond_the_reference_rows_own(small: tuple[Matrix, Matrix, Matrix], found):
    x, calibration, y = small
    nearest = [np.sort(squared(of, x), 1)[:, 4] for of in (calibration, y)]
    radius = np.sort(nearest[0])[-6:-4].mean()  # a hundredth of 501 gaps is 5, above four rows
    assert found["novelty"] == np.mean(nearest[1] > radius)
    assert values(fitted(x, calibration), calibration)["novelty"] == 4 / 500


@pytest.mark.parametrize(("windows", "size"), [(40, 60), (200, 120)])  # the second by one product of all rows
def test_windows_evaluated_together_are_what_each_is_alone(windows: int, size: int):
    rng = np.random.default_rng(2)
    space = fitted(s1(600, rng), s1(300, rng))
    rows = observe(space, space.centred(torch.tensor(s1(400, rng))))
    picks = torch.from_numpy(rng.integers(400, size=(windows, size)))
    done: list[tuple[int, int]] = []
    together = evaluate(space, rows, picks, lambda now, of: done.append((now, of)))
    alone = torch.cat([evaluate(space, rows, pick[None]) for pick in picks])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    assert done[-1] == (windows, windows)
    assert done == sorted(done)


@pytest.fixture(scope="module")
def embeddings() -> tuple[Matrix, Matrix, Matrix]:
    rng = np.random.default_rng(3)
    return s1(1200, rng), s1(600, rng), s1(200, rng)


@pytest.fixture(scope="module")
def plain(embeddings: tuple[Matrix, Matrix, Matrix]) -> dict[str, float]:
    return values(fitted(*embeddings[:2]), embeddings[2])


UNITS = {"frechet": 2, "trace": 2}  # the power of the length in which a statistic is measured; 0 for all others


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_turning_changes_the_raw_dimensions_only_and_scaling_the_unit(embeddings, plain, scale: float):
    turn = scale * rotation(384, np.random.default_rng(4))
    fit, calibration, window = [(x @ turn).astype(np.float32) for x in embeddings]
    turned = values(fitted(fit, calibration), window)
    assert turned.pop("ks_dimensions") != plain["ks_dimensions"]
    # A row on the edge of a cell may change sides by rounding.
    for name, value in turned.items():
        expected = plain[name] * scale ** UNITS.get(name, 0)
        assert value == pytest.approx(expected, rel=2e-4, abs=0.0101 if name == "ks_axes" else 2e-6), name


def test_axes_point_to_their_longer_tail_and_come_widest_first():
    rng = np.random.default_rng(7)
    x = rng.standard_gamma(1, (400, 4)) * [1, 4, 2, 3] @ rotation(4, rng)
    x = torch.tensor(x - x.mean(0)).float()
    axes, spread = principal_axes(x)
    assert ((x @ axes).pow(3).sum(0) > 0).all()
    assert spread.numpy() == pytest.approx(np.linalg.eigvalsh(np.cov(x.T))[::-1], rel=1e-4)
    few = principal_axes(x[:3] - x[:3].mean(0))[0]  # fewer rows than dimensions
    assert few.shape == (4, 2)
    torch.testing.assert_close(few.mT @ few, torch.eye(2))


def test_a_large_common_offset_or_an_outlying_dimension_drowns_nothing(embeddings, plain):
    noise = 0.05 * 3e-4  # the standard deviation of MMD over healthy windows of 200
    for offset in (100 * np.eye(1, 384, 9), 60 * np.eye(1, 384, 5), 1e5 * np.eye(1, 384, 7)):
        moved = values(fitted(*(x + offset for x in embeddings[:2])), embeddings[2] + offset)
        assert moved["mmd_wide"] == pytest.approx(plain["mmd_wide"], abs=noise)
        assert {k: v for k, v in moved.items() if "mmd" not in k} == pytest.approx(
            {k: v for k, v in plain.items() if "mmd" not in k}, rel=1e-3
        )


def test_rounding_on_dead_dimensions_is_not_a_change_and_life_on_them_is(embeddings, plain):
    fit, calibration, window = embeddings
    rounded = window.copy()
    rounded[:, -3:] = 1e-12
    assert values(fitted(fit, calibration), rounded)["ks_dimensions"] == plain["ks_dimensions"]
    alive = window.copy()
    alive[:, -1] = 0.01 * np.random.default_rng(5).standard_normal(200)
    alive = normalise(alive)
    assert values(fitted(fit, calibration), alive)["mahalanobis_mean"] > plain["mahalanobis_mean"] + 2


def test_covariance_beyond_the_leading_axes_counts_as_one_direction():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((4000, 200))
    y = rng.standard_normal((2000, 200)) * np.r_[np.ones(100), 2 * np.ones(100)]
    held, seen = np.cov(x.T), np.cov(y.T)
    exact = np.sum((y.mean(0) - x.mean(0)) ** 2) + np.trace(held + seen - 2 * np.real(sqrtm(held @ seen)))
    found = values(fitted(x, x), y)["frechet"]
    assert 0.7 * exact < found <= exact * 1.0001


def test_a_window_is_measured_among_many_as_it_is_alone(small: tuple[Matrix, Matrix, Matrix]):
    space = fitted(*small[:2])
    rows = observe(space, space.centred(torch.tensor(small[1])))
    picks = torch.stack(
        [torch.randperm(500, generator=torch.Generator().manual_seed(i))[:20] for i in range(GROUP + 9)]
    )
    done: list[tuple[int, int]] = []
    together = evaluate(space, rows, picks, lambda now, of: done.append((now, of)))
    alone = torch.cat([evaluate(space, rows, pick[None]) for pick in picks])
    assert together.numpy() == pytest.approx(alone.numpy(), rel=1e-6, abs=1e-9)
    assert done == [(GROUP, GROUP + 9), (GROUP + 9, GROUP + 9)]


@pytest.mark.parametrize("loud", [0, PIECE - 1, PIECE, PIECE + 8])
def test_the_largest_gap_is_found_wherever_it_lies_among_many_dimensions(loud: int):
    rng = np.random.default_rng(0)
    held, window = rng.standard_normal((400, PIECE + 9)), rng.standard_normal((50, PIECE + 9))
    window[:, loud] += 3
    grid = fit_grid(torch.tensor(held))
    exact = ks_2samp(held[:, loud], window[:, loud]).statistic
    assert float(grid.distances(grid.cells(torch.tensor(window))[None])) == pytest.approx(exact, abs=0.012)
