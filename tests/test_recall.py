import numpy as np
import pytest
from samples import DIM, labelled_topics, measured, most_by_chance, reference, rotation, s1, window
from scipy.stats import fisher_exact

from detectors.recall import Recall
from drift.records import Reference


@pytest.fixture(scope="module")
def held() -> Reference:
    x, labels = labelled_topics(1200, np.random.default_rng(0))
    return reference(x, labels=labels)


@pytest.mark.parametrize("k", [1, 3])
def test_what_is_found_is_found_by_a_plain_search(held: Reference, k: int):
    rng = np.random.default_rng(1)
    y, labels = labelled_topics(64, rng)
    known, names = held.fit.vectors, np.array(held.fit.labels)
    near = np.argsort(y @ known.T, axis=1)[:, -k:]
    found = (names[near] == np.array(labels)[:, None]).any(1).mean()
    m = measured(Recall(k=k), window(y, labels=labels), held)
    assert 0.2 < m.value == found < 1


def test_more_neighbours_find_more(held: Reference):
    rng = np.random.default_rng(2)
    y, labels = labelled_topics(128, rng)
    found = [measured(Recall(k=k), window(y, labels=labels), held).value for k in (1, 2, 5, 20)]
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_queries_of_another_version_find_by_chance_only(held: Reference):
    rng = np.random.default_rng(3)
    y, labels = labelled_topics(256, rng)
    m = measured(Recall(k=1), window(y @ rotation(DIM, rng), labels=labels), held)
    assert m.value < 0.2 < m.band_low
    own = measured(Recall(k=1), window(held.vectors[600:], labels=held.rows.labels[600:]), held)
    right, healthy = round(m.value * 256), round(own.value * 600)
    expected = fisher_exact([[right, 256 - right], [healthy, 600 - healthy]], alternative="less").pvalue
    assert m.p_value == pytest.approx(expected, rel=1e-6)


def test_a_label_that_the_reference_has_never_seen_is_not_found(held: Reference):
    y = s1(128, np.random.default_rng(4))
    assert measured(Recall(), window(y, labels=("new",) * 128), held).value == 0


def test_healthy_windows_are_rarely_rejected_over_references():
    rng, trials, rejected = np.random.default_rng(5), 100, 0
    for _ in range(trials):
        x = rng.standard_normal((192, 4))
        labels = tuple("ab"[int(v > 0)] for v in x[:, 0] + rng.standard_normal(192))
        m = measured(Recall(k=1), window(x[:64], labels=labels[:64]), reference(x[64:], labels=labels[64:]))
        rejected += m.p_value <= 0.05
    assert rejected <= most_by_chance(trials, 0.05)


def test_k_without_meaning_is_refused():
    with pytest.raises(ValueError, match="k >= 1, got 0"):
        Recall(k=0)
