import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import labelled_reference, labels_of, measured, most_by_chance, reference, rotation, s1, window
from scipy.stats import betabinom, fisher_exact, hypergeom

from detectors.classifiers import logistic
from detectors.frozen_probe import Probe
from detectors.labels import hypergeometric
from drift.errors import MissingLabelsError, TooFewRowsError
from drift.records import Reference, Texts

CENTRES = 4 * np.eye(3, 8)


def clusters(n: int, rng: np.random.Generator) -> tuple[np.ndarray, Texts]:
    """Rows in three well separated clusters, and the cluster of each."""
    of = rng.integers(0, 3, n)
    return CENTRES[of] + 0.1 * rng.standard_normal((n, 8)), tuple("abc"[i] for i in of)


@pytest.fixture
def clustered() -> Reference:
    x, labels = clusters(400, np.random.default_rng(0))
    return reference(x, labels=labels)


def test_separable_labels_are_all_right(clustered: Reference):
    x, labels = clusters(100, np.random.default_rng(1))
    m = measured(Probe(), window(x, labels=labels), clustered)
    assert (m.value, m.p_value, m.rows, m.high) == (1, 1, 100, 1)


def test_the_weights_minimise_the_penalised_loss():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((200, 5)), rng.integers(0, 3, 200)
    weights, bias = (t.numpy() for t in logistic(torch.from_numpy(x), torch.from_numpy(y), 3, 0.5))
    scores = np.exp(x @ weights + bias)
    error = scores / scores.sum(1, keepdims=True) - np.eye(3)[y]
    np.testing.assert_allclose(0.5 * x.T @ error + weights, 0, atol=1e-3)
    np.testing.assert_allclose(error.sum(0), 0, atol=1e-3)


def test_rotated_vectors_of_a_wrong_version_are_at_chance(clustered: Reference):
    x, labels = clusters(300, np.random.default_rng(3))
    m = measured(Probe(), window(x @ rotation(8, np.random.default_rng(4)), labels=labels), clustered)
    assert m.value < 0.7 < m.band_low
    assert 0 < m.p_value < 1e-6


def test_a_label_that_the_reference_has_never_seen_counts_as_wrong(clustered: Reference):
    x, labels = clusters(100, np.random.default_rng(5))
    assert measured(Probe(), window(x, labels=("new",) * 25 + labels[25:]), clustered).value == 0.75


def test_rows_without_a_label_do_not_count(clustered: Reference):
    x, labels = clusters(100, np.random.default_rng(6))
    x[:20] = -CENTRES[0]
    m = measured(Probe(), window(x, labels=(None,) * 20 + labels[20:]), clustered)
    assert (m.value, m.rows) == (1, 80)


@settings(deadline=None)
@given(n=st.integers(1, 60), marked=st.integers(0, 100), rest=st.integers(1, 100))
def test_the_hypergeometric_law_is_that_of_scipy(n: int, marked: int, rest: int):
    n = min(n, marked + rest)
    theirs = hypergeom.pmf(np.arange(n + 1), marked + rest, marked, n)
    np.testing.assert_allclose(hypergeometric(n, marked, marked + rest), theirs, rtol=1e-7, atol=1e-12)


def test_the_p_value_is_fishers_and_the_band_allows_for_both_samples():
    rng = np.random.default_rng(7)
    x, y = s1(1000, rng), s1(128, rng)
    held = labelled_reference(x, rng)
    m = measured(Probe(), window(y, labels=labels_of(y, rng, noise=3)), held)
    # The calibration half as a window of its own tells its accuracy.
    own = measured(Probe(), window(x[500:], labels=held.rows.labels[500:]), held)
    right, healthy = round(m.value * 128), round(own.value * 500)
    assert 0.3 < m.value < own.value < 0.95
    table = [[right, 128 - right], [healthy, 500 - healthy]]
    assert m.p_value == pytest.approx(fisher_exact(table, alternative="less").pvalue)
    band = betabinom.ppf([0.005, 0.995], 128, healthy + 0.5, 500 - healthy + 0.5) / 128
    assert (m.band_low, m.band_high) == pytest.approx(tuple(band))


def test_healthy_windows_are_rarely_rejected_over_references():
    # A calibration half as small as the window, where a test against a fixed accuracy would reject too often.
    rng, trials, rejected, out = np.random.default_rng(8), 150, 0, 0
    for _ in range(trials):
        x = rng.standard_normal((192, 4))
        labels = tuple("ab"[int(v > 0)] for v in x[:, 0] + rng.standard_normal(192))
        m = measured(Probe(strength=0.1), window(x[:64], labels=labels[:64]), reference(x[64:], labels=labels[64:]))
        rejected += m.p_value <= 0.05
        out += not m.band_low <= m.value <= m.band_high
    assert rejected <= most_by_chance(trials, 0.05)
    assert out <= most_by_chance(trials, 0.01)


def test_missing_labels_are_named(clustered: Reference):
    x, labels = clusters(400, np.random.default_rng(9))
    with pytest.raises(MissingLabelsError, match=r"window search .* has none: send `label`"):
        measured(Probe(), window(x), clustered)
    with pytest.raises(MissingLabelsError, match=r"window search .* has none"):
        measured(Probe(), window(x, labels=(None,) * 400), clustered)
    with pytest.raises(MissingLabelsError, match=r"first half of search@.* has none"):
        measured(Probe(), window(x, labels=labels), reference(x))
    with pytest.raises(MissingLabelsError, match=r"two different labels, .* has only 'a'"):
        measured(Probe(), window(x, labels=labels), reference(x, labels=("a",) * 400))


def test_too_few_labels_are_named(clustered: Reference):
    x, labels = clusters(100, np.random.default_rng(10))
    with pytest.raises(TooFewRowsError, match=r"at least 64 labelled rows, window .* has 63"):
        measured(Probe(), window(x, labels=(*labels[:63], *[None] * 37)), clustered)
    with pytest.raises(TooFewRowsError, match=r"at least 64 labelled rows, the second half of .* has 50"):
        measured(Probe(), window(x, labels=labels), reference(x, labels=labels))


def test_a_penalty_without_meaning_is_refused():
    with pytest.raises(ValueError, match=r"strength > 0, got 0"):
        Probe(strength=0.0)
