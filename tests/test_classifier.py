import numpy as np
import pytest
import torch
from samples import (
    least_by_chance,
    measured,
    most_by_chance,
    normalise,
    reference,
    rotation,
    s1,
    shifted,
    window,
)
from scipy.stats import kstest, rankdata

from detectors.classifier import Classifier, areas, arrangements, held_out_scores
from drift.errors import UnmeasurableError

QUICK = Classifier(permutations=99)


def refitted(rows: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """Scores by the book: for each fold a ridge regression on the rows of all others."""
    folds, _, d = rows.shape
    x, y = rows.reshape(-1, d).astype(np.float64), labels.reshape(-1).astype(np.float64)
    x, y = x - x.mean(0), y - y.mean()
    penalty = ridge * (x * x).sum() / d
    scores = []
    for held_out in np.split(np.arange(len(x)), folds):
        kept = np.setdiff1d(np.arange(len(x)), held_out)
        weights = np.linalg.solve(x[kept].T @ x[kept] + penalty * np.eye(d), x[kept].T @ y[kept])
        scores.append(x[held_out] @ weights)
    return np.stack(scores)


@pytest.mark.parametrize("d", [3, 60])
def test_scores_of_permuted_labels_are_those_of_explicit_refits(d: int):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4, 9, d)).astype(np.float32)
    labels = arrangements(5, 4, 3, 6, rng)
    found = held_out_scores(torch.from_numpy(rows), torch.from_numpy(labels), 0.5).numpy()
    for scores, permuted in zip(found, labels, strict=True):
        assert scores == pytest.approx(refitted(rows, permuted, 0.5), abs=2e-5)


def test_area_is_the_mann_whitney_statistic_with_ties_at_half():
    rng = np.random.default_rng(1)
    labels = arrangements(30, 3, 4, 7, rng)
    scores = rng.integers(-3, 3, labels.shape).astype(np.float32) / 3
    ranks = rankdata(scores, axis=2)
    expected = ((ranks * labels).sum(2) - 4 * 5 / 2) / (4 * 7)
    assert areas(scores, labels) == pytest.approx(expected.mean(1), abs=1e-12)
    assert areas(np.zeros_like(scores), labels) == pytest.approx(0.5)


def test_labels_are_permuted_within_their_folds():
    labels = arrangements(2000, 2, 3, 5, np.random.default_rng(2))
    assert (labels.sum(2) == 3).all()
    assert labels[0].tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]] * 2
    assert labels[1:].mean(0) == pytest.approx(np.full((2, 8), 3 / 8), abs=0.05)


@pytest.mark.parametrize("held", [32, 320])
def test_p_values_are_uniform_whatever_the_reference(held: int):
    rng = np.random.default_rng(3)
    p = [measured(QUICK, window(s1(64, rng)), reference(s1(held, rng)), i).p_value for i in range(300)]
    assert kstest(p, lambda x: np.clip(np.floor(100 * x) / 100, 0, 1)).pvalue > 1e-3
    assert least_by_chance(300, 0.05) <= np.sum(np.array(p) <= 0.05) <= most_by_chance(300, 0.05)


def test_healthy_windows_are_at_one_half_and_other_vectors_are_told_apart():
    rng = np.random.default_rng(4)
    against = reference(s1(2560, rng))
    healthy = [measured(QUICK, window(s1(128, rng)), against, i).value for i in range(60)]
    assert np.mean(healthy) == pytest.approx(0.5, abs=0.02)
    other = measured(Classifier(), window((s1(128, rng) @ rotation(384, rng)).astype(np.float32)), against)
    assert other.value > 0.95
    assert other.p_value == 1 / 600
    assert other.band_low < 0.5 < other.band_high < other.value


def test_a_small_shift_of_the_mean_is_found():
    rng = np.random.default_rng(5)
    against = reference(s1(2560, rng))
    found = [measured(QUICK, window(shifted(s1(256, rng), 0.04, rng)), against, i).p_value <= 0.05 for i in range(20)]
    assert np.mean(found) >= 0.8


def test_a_trend_over_the_window_is_no_alarm_by_itself():
    # Window and reference of the same trend: contiguous folds would hold each stretch against the others.
    rng = np.random.default_rng(6)
    trend = np.linspace(-1, 1, 256)[:, None] * normalise(rng.standard_normal((1, 384)))
    against = reference(np.concatenate([s1(256, rng) + trend for _ in range(8)])[rng.permutation(2048)])
    found = [measured(QUICK, window(s1(256, rng) + trend), against, i).value for i in range(20)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)


def test_outlying_means_do_not_cost_precision():
    rng = np.random.default_rng(7)
    x, y = s1(2560, rng), shifted(s1(256, rng), 0.04, rng)
    plain = measured(Classifier(), window(y), reference(x, version="same"))
    offset = 30 * normalise(rng.standard_normal((1, 384)))
    far = measured(Classifier(), window(y + offset), reference(x + offset, version="same"))
    assert far.value == pytest.approx(plain.value, abs=2e-3)


def test_rows_that_do_not_fill_the_folds_are_left_out():
    rng = np.random.default_rng(8)
    assert measured(QUICK, window(s1(67, rng)), reference(s1(512, rng))).rows == 64


def test_a_reference_without_rows_for_each_fold_is_refused():
    rng = np.random.default_rng(9)
    with pytest.raises(UnmeasurableError, match=r"classifier needs 8 reference rows .* use 7 of the 7 of search@"):
        measured(QUICK, window(s1(64, rng)), reference(s1(7, rng)))
    assert measured(QUICK, window(s1(64, rng)), reference(s1(8, rng))).p_value


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"folds": 65}, {"ridge": 0.0}, {"permutations": 0}, {"per_row": 0}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="classifier needs permutations >= 1, 2 <= folds"):
        Classifier(**wrong)
