"""What the panel finds, on embeddings with a known law, and how large it says that it is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from samples import DIM, noisy, normalise, rotation, s1, shifted

from detectors import Panel
from detectors.panel import Result
from detectors.panel.statistics import NAMES

Vectors = npt.NDArray[np.float32]
Change = Callable[[Vectors, np.random.Generator], Vectors]
N, TRIALS = 500, 16


pytestmark = pytest.mark.filterwarnings("ignore::drift.errors.LevelWarning")  # small ones are quick


@pytest.fixture(scope="module")
def reference() -> Vectors:
    return s1(10_000, np.random.default_rng(0))


@pytest.fixture(scope="module")
def panel(reference: Vectors) -> Panel:
    return Panel.fit(reference, N, alpha=0.05, nulls=500)


def results(panel: Panel, change: Change, trials: int = TRIALS) -> list[Result]:
    rng = np.random.default_rng(1)
    return [panel.test(change(s1(panel.window_size, rng), rng)) for _ in range(trials)]


def power(found: list[Result], name: str = "") -> float:
    """Share of windows found at .05, by the panel or by one of its statistics."""
    return float(np.mean([(r.statistics[name].p_value if name else r.p_value) <= 0.05 for r in found]))


def replaced(x: Vectors, share: float, rows: Vectors) -> Vectors:
    k = round(share * len(x))
    return np.concatenate([rows[:k], x[k:]]).astype(np.float32)


def test_finds_a_small_shift_in_any_direction(panel: Panel):
    """Case A5; `tests/test_mmd_power.py` has MMD alone."""
    found = results(panel, lambda x, rng: shifted(x, 0.02, rng))
    assert power(found) >= 0.9
    assert max(power(found, "ridge_strong"), power(found, "ridge_light")) >= 0.95
    assert power(found, "ridge_light") > power(found, "mmd_wide")


def test_finds_a_shift_along_a_narrow_axis(panel: Panel):
    """Case A6."""
    axes = panel.space.axes.numpy()

    def along_a_narrow_axis(x: Vectors, rng: np.random.Generator) -> Vectors:
        return normalise(x + 0.01 * axes[:, -1 - rng.integers(100)])

    found = results(panel, along_a_narrow_axis)
    assert power(found) >= 0.85
    assert power(found, "mmd_wide") <= 0.4
    # The gate must not take a wrong dimension for nothing because the mean embedding has hardly moved.
    assert np.mean([r.drifted for r in found]) >= 0.7


def test_finds_one_row_in_a_hundred_from_another_model(panel: Panel):
    """Case A7."""
    turn = rotation(DIM, np.random.default_rng(2))
    found = results(panel, lambda x, rng: replaced(x, 0.01, x @ turn))
    assert power(found) >= 0.95
    assert np.mean([r.drifted for r in found]) >= 0.95
    assert power(found, "mmd_wide") <= 0.3
    # Sized by what found them and not by MMD, they are about as many as they are.
    assert np.mean([r.effect.by == "mahalanobis_sd" for r in found]) >= 0.8
    assert 0.005 <= np.median([r.effect.share for r in found]) <= 0.03


def test_finds_a_shrink_towards_the_mean(panel: Panel, reference: Vectors):
    """Case A8; `tests/test_shapes.py` has its name."""
    centre = reference.mean(0)
    found = results(panel, lambda x, rng: normalise(0.9 * x + 0.1 * centre))
    assert power(found) >= 0.99
    assert power(found, "trace") == 1
    assert all(r.drifted for r in found)


def test_novelty_finds_a_few_rows_of_no_known_kind(panel: Panel):
    def strangers(x: Vectors, rng: np.random.Generator) -> Vectors:
        return replaced(x, 0.03, normalise(rng.standard_normal((len(x), DIM))))

    found = results(panel, strangers)
    assert power(found) >= 0.95
    assert power(found, "novelty") >= 0.9
    assert power(found, "mmd_wide") <= 0.4
    shares = [r.statistics["novelty"].value for r in found]
    assert np.mean(shares) == pytest.approx(0.04, abs=0.01)  # a hundredth is novel without them


def test_clusters_find_a_mix_of_topics_that_leaves_every_moment_as_it_was():
    """Every second of sixteen topics around a circle grows: no mean, covariance or single axis shows it."""
    angles = 2 * np.pi * np.arange(16) / 16
    centres = np.stack([np.cos(angles), np.sin(angles)], 1)

    def topics(n: int, growth: float, rng: np.random.Generator) -> Vectors:
        of = rng.choice(16, n, p=(1 + growth * (-1.0) ** np.arange(16)) / 16)
        return (np.pad(centres[of], ((0, 0), (0, 14))) + 0.1 * rng.standard_normal((n, 16))).astype(np.float32)

    rng = np.random.default_rng(5)
    panel = Panel.fit(topics(10_000, 0, rng), N, alpha=0.05, nulls=500)
    found = [panel.test(topics(N, 0.4, rng)) for _ in range(TRIALS)]
    assert power(found) >= 0.9
    assert power(found, "clusters") == 1
    assert max(power(found, name) for name in NAMES if name != "clusters") <= 0.4


def test_noise_shows_in_the_dead_directions(panel: Panel):
    found = results(panel, lambda x, rng: noisy(x, 0.1 / DIM**0.5, rng))
    assert power(found, "mahalanobis_mean") == 1
    assert power(found, "mmd_wide") <= 0.4


def test_a_dead_dimension_is_found_among_the_raw_ones(panel: Panel):
    def without_one(x: Vectors, rng: np.random.Generator) -> Vectors:
        x[:, rng.integers(DIM - 3)] = 0
        return normalise(x)

    found = results(panel, without_one, trials=6)
    assert power(found) == power(found, "ks_dimensions") == 1


def test_healthy_windows_are_left_alone_and_their_effect_is_about_nothing(panel: Panel):
    found = results(panel, lambda x, rng: x, trials=40)
    assert np.mean([r.drifted for r in found]) <= 0.2
    effects = [r.effect for r in found if r.p_value > panel.level]
    assert {e.by for e in effects} == {"mmd_wide"}
    assert np.mean([e.low == 0 for e in effects]) >= 0.85
    assert np.mean([e.mmd2_low <= 0 <= e.mmd2_high for e in effects]) >= 0.85
    assert min(e.mmd2 for e in effects) < 0  # not floored
    assert all(0 <= e.low <= e.share <= e.high <= 1 for e in effects)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_share_of_a_grown_topic_is_recovered(panel: Panel, reference: Vectors, share: float):
    """Rows of the region that the curves are made of, in windows and from rows that the panel has not seen."""
    axis = panel.space.axes[:, 0].numpy()
    pool = s1(20_000, np.random.default_rng(3))
    topic = pool[np.argsort(pool @ axis)[-2000:]]

    def grown(x: Vectors, rng: np.random.Generator) -> Vectors:
        return replaced(x, share, rng.permutation(topic))

    effects = [r.effect for r in results(panel, grown)]
    assert {e.by for e in effects} == {"mmd_wide"}
    assert np.mean([e.share for e in effects]) == pytest.approx(share, rel=0.25)
    assert np.mean([e.low <= share <= e.high for e in effects]) >= 0.8


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_rows_that_are_surely_wrong_pass_the_gate_however_unusual_each_is(share: float):
    """Of turned signs it takes more rows than of turned axes to move the scores as far."""
    rng = np.random.default_rng(6)
    spread = np.linspace(1, 0.2, 64)

    def unit_rows(n: int) -> Vectors:
        return normalise(rng.standard_normal((n, 64)) * spread + 0.5)

    panel = Panel.fit(unit_rows(12_000), 500, nulls=300)
    found = [panel.test(replaced(x, share, -x)) for x in (unit_rows(500) for _ in range(8))]
    assert all(r.drifted for r in found if r.p_value <= panel.level)
    assert power(found) >= 0.9


def test_what_is_surely_smaller_than_the_least_effect_does_not_alarm():
    """Eight rows in a hundred of a known kind more: real and found, but less than what this caller cares about."""
    rng = np.random.default_rng(4)
    panel = Panel.fit(rng.standard_normal((16_000, 4)) * [3, 2, 1, 1], 800, nulls=99, min_effect=0.3)
    window, more = rng.standard_normal((2, 800, 4)) * [3, 2, 1, 1]
    along = (panel.space.centred(torch.tensor(more)) @ panel.space.axes[:, 0]).argsort(descending=True)
    window[:64] = more[along[:64]]
    result = panel.test(window)
    assert result.p_value <= panel.level
    assert not result.drifted
    assert result.effect.low <= 0.08 <= result.effect.high < 0.3
    assert replace(panel, min_effect=0.01).test(window).drifted


def test_the_effect_is_by_a_statistic_that_matters_where_another_is_negligible():
    rng = np.random.default_rng(4)
    panel = Panel.fit(rng.standard_normal((16_000, 4)) * [3, 2, 1, 1], 800, nulls=99, min_effect=0.2)
    window, more = rng.standard_normal((2, 800, 4)) * [3, 2, 1, 1]
    along = (panel.space.centred(torch.tensor(more)) @ panel.space.axes[:, 0]).argsort(descending=True)
    window[:64] = more[along[:64]]
    window[:, 3] = np.round(window[:, 3])
    result = panel.test(window)
    assert result.statistics["mmd_wide"].p_value <= panel.level
    assert result.effect.by == "ks_dimensions"
    assert result.effect.high >= panel.min_effect
    assert result.drifted
