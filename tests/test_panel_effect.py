"""How much has moved, where the rows are unlike those that the curves are made of: the interval must not lie."""

import numpy as np
import numpy.typing as npt
import pytest

from detectors import Effect, Panel
from detectors.panel.effect import Bounds, Shares, interval
from detectors.panel.statistics import NAMES

N, DIM = 200, 32
SCALE = np.arange(1, DIM + 1) ** -0.4
Matrix = npt.NDArray[np.floating]


def healthy(n: int, seed: int) -> Matrix:
    """Rows of length one around a mean that is not zero."""
    x = np.random.default_rng(seed).standard_normal((n, DIM)) * SCALE + 0.5
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.fit(healthy(8000, 0), N, nulls=400)


def effects(panel: Panel, changed: list[Matrix]) -> list[Effect]:
    found = [panel.test(x) for x in changed]
    assert all(r.drifted for r in found)
    return [r.effect for r in found]


def test_where_every_row_is_beyond_the_reference_the_share_may_be_all():
    """Tight topics far apart, each of which has moved by a little: seen from afar hardly anything has."""

    def topics(n: int, seed: int) -> Matrix:
        rng = np.random.default_rng(seed)
        return 6 * np.eye(3, DIM)[rng.integers(0, 3, n)] + 0.1 * rng.standard_normal((n, DIM))

    panel = Panel.fit(topics(8000, 0), N, nulls=400)
    moved = [topics(N, seed) + 1.5 * np.eye(1, DIM, 5) for seed in range(1, 5)]
    assert all(panel.test(x).statistics["novelty"].value == 1 for x in moved)
    for effect in effects(panel, moved):
        assert effect.share < 0.9
        assert effect.high == 1


@pytest.mark.parametrize("k", [2, 6])
def test_a_few_rows_far_out_may_be_few(panel: Panel, k: int):
    changed = []
    for seed in range(1, 5):
        x = healthy(N, seed)
        x[:k] *= 10
        changed.append(x)
    for effect in effects(panel, changed):
        assert effect.low <= k / N <= effect.high
        assert effect.low > 0


def test_a_share_of_less_than_a_row_is_none_and_one_row_is_never_excluded(panel: Panel):
    healthy_ones = [panel.test(healthy(N, seed)).effect for seed in range(10, 40)]
    for effect in healthy_ones:
        assert 0 <= effect.low <= effect.share <= effect.high <= 1
        assert {effect.low, effect.share} <= {0.0} or effect.share >= 1 / N
        assert effect.high >= 1 / N
    assert interval(0.004, 0.001, 0.0, 200, Bounds(1.0, 0.0)) == (0.0, 0.0, 1 / 200)
    assert interval(0.5, 0.4, 0.6, 200, Bounds(0.1, 0.9)) == (0.5, 0.1, 0.9)


def test_a_statistic_that_says_less_than_a_row_does_not_speak_where_another_says_more(panel: Panel):
    """The spread of scores moves by one row far out as far as by two dozen that are near."""
    p, high = np.ones(len(NAMES)), np.ones(len(NAMES))
    spread, novelty = (NAMES.index(name) for name in ("mahalanobis_sd", "novelty"))
    p[[spread, novelty]] = 1e-12, 1e-9
    for share, by in ((0.9 / N, novelty), (1.1 / N, spread)):
        shares = np.full(len(NAMES), 0.12)
        shares[spread] = share
        assert panel._telling(p, Shares(shares, 0 * high, high)) == by
    none = Shares(0 * high, 0 * high, high)
    assert panel._telling(p, none) == spread
