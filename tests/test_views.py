import numpy as np
import pytest
import torch
from samples import normalise, rotation

from detectors import view_terms
from drift.errors import TooFewRowsError, UnmeasurableError


def views(items: int, q: int, signal: np.ndarray, noise: np.ndarray, seed: int = 0) -> np.ndarray:
    """Items that differ along dimensions by `signal`, their views by `noise`."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((items, 1, len(signal))) * signal
    return own + rng.standard_normal((items, q, len(noise))) * noise


def plain_lidar(z: np.ndarray) -> float:
    """As the paper writes it, with the ridge of ours."""
    n, q, d = z.shape
    means = z.mean(1)
    within = sum(np.outer(v, v) for v in (z - means[:, None]).reshape(-1, d)) / (n * (q - 1))
    within += 1e-4 * np.trace(within) / d * np.eye(d)
    lam, axes = np.linalg.eigh(within)
    root = axes @ np.diag(lam**-0.5) @ axes.T
    p = np.clip(np.linalg.eigvalsh(root @ np.cov(means.T) @ root), 1e-300, None)
    p /= p.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


@pytest.mark.parametrize(("items", "d"), [(200, 12), (20, 64)])
def test_lidar_is_the_effective_rank_of_the_whitened_covariance_of_items(items: int, d: int):
    z = views(items, 10, np.linspace(2, 0.1, d), np.full(d, 0.3))
    assert view_terms(z).lidar == pytest.approx(plain_lidar(z), rel=1e-6)


def test_directions_of_noise_do_not_count():
    """Eight directions tell items apart; in 24 louder ones the views of an item differ as much as the items do."""
    signal, noise = np.zeros(32), np.full(32, 0.05)
    signal[:8], noise[8:] = 1, 3
    z = views(400, 20, signal, noise)
    assert view_terms(z).lidar < 12
    spread = np.linalg.eigvalsh(np.cov(z.reshape(-1, 32).T))
    share = spread / spread.sum()
    assert np.exp(-(share * np.log(share)).sum()) > 20  # what the covariance takes for its rank


def test_lidar_does_not_see_rotation_or_scale():
    z = views(100, 10, np.linspace(2, 0.1, 16), np.full(16, 0.3))
    turned = 1e3 * z @ rotation(16, np.random.default_rng(1)) + 5
    assert view_terms(turned).lidar == pytest.approx(view_terms(z).lidar, rel=1e-6)


def test_vicreg_terms_of_known_vectors():
    """The 16 corners of a hypercube: every dimension +1 or -1, all uncorrelated."""
    corners = np.array([[(i >> j & 1) * 2 - 1 for j in range(4)] for i in range(16)], np.float64)
    same = view_terms(np.repeat(corners[:, None], 2, axis=1))
    assert (same.items, same.views) == (16, 2)
    assert (same.invariance, same.covariance) == pytest.approx((0, 0), abs=1e-12)
    assert same.variance == 0
    # Two views that point in opposite directions differ by 2 in each dimension.
    opposite = view_terms(np.stack([corners, -corners], axis=1))
    assert opposite.invariance == pytest.approx(4)
    # Each dimension twice over: it has one other to be redundant with.
    doubled = view_terms(np.repeat(np.repeat(corners, 2, axis=1)[:, None], 2, axis=1))
    assert doubled.covariance == pytest.approx((32 / 31) ** 2)


def test_a_collapsed_encoder_has_no_rank_and_no_variance():
    z = np.ones((20, 4, 8))
    found = view_terms(z)
    assert (found.lidar, found.invariance, found.variance) == pytest.approx((0, 0, 1))


def test_shrinking_to_the_mean_shows_in_the_variance():
    rng = np.random.default_rng(2)
    healthy = normalise(rng.standard_normal((400, 64))).reshape(200, 2, 64)
    shrunk = normalise((healthy + 3 * healthy.mean((0, 1)) / np.linalg.norm(healthy.mean((0, 1)))).reshape(400, 64))
    assert view_terms(healthy).variance < 0.05
    assert view_terms(shrunk.reshape(200, 2, 64)).variance > 0.5


def test_what_cannot_be_views_is_refused_with_its_shape():
    with pytest.raises(UnmeasurableError, match=r"shape \(n, q, d\).* have \(20, 8\): "):
        view_terms(np.ones((20, 8)))
    with pytest.raises(TooFewRowsError, match="16 items with 2 views each, they have 20 with 1"):
        view_terms(torch.ones(20, 1, 8))
    bad = np.ones((20, 2, 8))
    bad[3, 1, 0] = np.nan
    with pytest.raises(UnmeasurableError, match="row 7 has others"):
        view_terms(bad)
