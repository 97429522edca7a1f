import numpy as np
import pytest
from samples import DIM, labelled_topics, measured, most_by_chance, reference, rotation, s1, window
from scipy.stats import fisher_exact

from detectors.knn_probe import KnnProbe
from drift.errors import MissingLabelsError, UnmeasurableError
from drift.records import Reference


@pytest.fixture(scope="module")
def held() -> Reference:
    x, labels = labelled_topics(1200, np.random.default_rng(0))
    return reference(x, labels=labels)


def test_the_votes_are_those_of_a_plain_loop(held: Reference):
    rng = np.random.default_rng(1)
    y, labels = labelled_topics(64, rng)
    known, names = held.fit.vectors.astype(np.float64), held.fit.labels
    right = 0
    for row, label in zip(y.astype(np.float64), labels, strict=True):
        cosines = known @ row / np.linalg.norm(known, axis=1) / np.linalg.norm(row)
        votes = dict.fromkeys("abcdef", 0.0)
        for i in np.argsort(cosines)[-20:]:
            votes[names[i]] += np.exp(cosines[i] / 0.07)
        right += max(votes, key=votes.get) == label
    assert 20 < right < 64
    assert measured(KnnProbe(), window(y, labels=labels), held).value == right / 64


@pytest.mark.parametrize("stretch", [1e-3, 1e3])
def test_lengths_do_not_matter(held: Reference, stretch: float):
    rng = np.random.default_rng(2)
    y, labels = labelled_topics(128, rng)
    one = measured(KnnProbe(), window(y, labels=labels), held)
    two = measured(KnnProbe(), window(y * stretch * rng.uniform(1, 9, (128, 1)), labels=labels), held)
    assert two.value == pytest.approx(one.value, abs=1 / 128)


def test_rows_that_nearly_all_point_the_same_way_are_told_apart():
    rng = np.random.default_rng(3)
    of = rng.integers(0, 3, 600)
    x = 100 * np.eye(1, 8, 7) + 0.3 * rng.standard_normal((600, 8)) + 2 * np.eye(3, 8)[of]
    labels = tuple("abc"[i] for i in of)
    held = reference(x[100:], labels=labels[100:])
    assert measured(KnnProbe(), window(x[:100], labels=labels[:100]), held).value > 0.98


def test_rotated_vectors_are_at_chance_and_the_p_value_is_fishers(held: Reference):
    rng = np.random.default_rng(4)
    y, labels = labelled_topics(256, rng)
    turned = measured(KnnProbe(), window(y @ rotation(DIM, rng), labels=labels), held)
    assert turned.value < 0.4 < turned.band_low
    own = measured(KnnProbe(), window(held.vectors[600:], labels=held.rows.labels[600:]), held)
    right, healthy = round(turned.value * 256), round(own.value * 600)
    expected = fisher_exact([[right, 256 - right], [healthy, 600 - healthy]], alternative="less").pvalue
    assert turned.p_value == pytest.approx(expected, rel=1e-6)


def test_a_label_that_the_reference_has_never_seen_counts_as_wrong(held: Reference):
    y = s1(128, np.random.default_rng(5))
    assert measured(KnnProbe(), window(y, labels=("new",) * 128), held).value == 0


def test_healthy_windows_are_rarely_rejected_over_references():
    rng, trials, rejected = np.random.default_rng(6), 150, 0
    for _ in range(trials):
        x = rng.standard_normal((192, 4))
        labels = tuple("ab"[int(v > 0)] for v in x[:, 0] + rng.standard_normal(192))
        m = measured(KnnProbe(), window(x[:64], labels=labels[:64]), reference(x[64:], labels=labels[64:]))
        rejected += m.p_value <= 0.05
    assert rejected <= most_by_chance(trials, 0.05)


def test_what_the_reference_lacks_is_named(held: Reference):
    x = s1(400, np.random.default_rng(7))
    of = window(x[:64], labels=("a", "b") * 32)
    with pytest.raises(UnmeasurableError, match=r"knn_probe needs 300 labelled rows, the first half of .* has 200"):
        measured(KnnProbe(neighbours=300), of, reference(x, labels=("a", "b") * 200))
    with pytest.raises(MissingLabelsError, match=r"knn_probe needs two different labels, .* has only 'a'"):
        measured(KnnProbe(), of, reference(x, labels=("a",) * 400))
    with pytest.raises(ValueError, match="neighbours >= 1"):
        KnnProbe(neighbours=0)
