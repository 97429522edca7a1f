import numpy as np
import pytest
import torch
from samples import DIM, Vectors, labelled_topics, most_by_chance, noisy, rotation

from detectors import Diagnosis, KnnProbe, Probe, Recall, collapse, compare_versions, hold, measure, probe
from detectors.accuracy import diagnose
from detectors.labels import Accuracy
from drift.errors import BadReferenceError, MissingLabelsError, TooFewRowsError, UnmeasurableError
from drift.records import Rows, Texts


@pytest.fixture(scope="module")
def held() -> tuple[Vectors, Texts]:
    return labelled_topics(2560, np.random.default_rng(0))


@pytest.fixture(scope="module")
def served() -> tuple[Vectors, Texts]:
    return labelled_topics(256, np.random.default_rng(1))


def test_a_rotation_of_all_vectors_is_a_wrong_version_and_not_a_quality_loss(held, served):
    """Acceptance case A17."""
    turned = served[0] @ rotation(DIM, np.random.default_rng(2))
    found = probe(turned, served[1], *held)
    assert found.diagnosis is Diagnosis.WRONG_VERSION == "wrong version"
    red, green = (found.frozen, found.knn, found.recall), found.refit
    assert max(of.p_value for of in red) < 1e-6
    assert green.p_value > 0.05
    assert green.value == pytest.approx(probe(*served, *held).refit.value, abs=1 / 256)
    versions = compare_versions(served[0], turned)
    assert versions.verdict.startswith("wrong version")
    assert abs(versions.cosine) < 0.1
    assert versions.cross_recall < 0.2
    assert versions.cka > 0.99
    assert abs(collapse(turned, held[0]).rank_me.z) < 5


def test_noise_is_a_quality_loss(held, served):
    found = probe(noisy(served[0], 0.05, np.random.default_rng(3)), served[1], *held)
    assert found.diagnosis is Diagnosis.QUALITY_LOSS
    assert max(found.frozen.p_value, found.refit.p_value) < 1e-3


def test_healthy_vectors_are_healthy():
    rng, trials, ill = np.random.default_rng(4), 60, 0
    for _ in range(trials):
        x = rng.standard_normal((640, 4))
        labels = tuple("ab"[int(v > 0)] for v in x[:, 0] + rng.standard_normal(640))
        ill += probe(x[:64], labels[:64], x[64:], labels[64:], alpha=0.05).diagnosis is not Diagnosis.HEALTHY
    assert ill <= most_by_chance(trials, 0.05)


def test_a_part_of_another_version_is_not_told_from_a_loss(held, served):
    """No one linear probe fits two spaces."""
    x = served[0].copy()
    x[:40] = x[:40] @ rotation(DIM, np.random.default_rng(5))
    assert probe(x, served[1], *held).diagnosis is Diagnosis.QUALITY_LOSS


def test_labels_that_the_reference_does_not_know_are_left_undecided(held, served):
    labels = [f"{label}, new" if label in "ab" else label for label in served[1]]
    found = probe(served[0], labels, *held)
    assert found.diagnosis is Diagnosis.UNDECIDED
    assert found.refit.p_value > 0.05


def test_the_figures_are_those_of_the_detectors(held, served):
    found = probe(*served, *held, seed=3)
    rows, reference_rows = Rows(served[0], labels=served[1]), hold(Rows(held[0], labels=held[1]), 3)
    for detector, of in ((Probe(), found.frozen), (KnnProbe(), found.knn), (Recall(), found.recall)):
        m = measure(detector, rows, reference_rows)
        assert (m.value, m.low, m.high, m.p_value, m.band_low, m.band_high, m.rows) == (
            *(of.value, of.low, of.high, of.p_value, of.band_low, of.band_high, of.rows),
        )
        assert of.low < of.value < of.high
        assert of.band_low < of.healthy < of.band_high
    assert found.chance == max(served[1].count(label) for label in "abcdef") / 256


def test_labels_may_be_numbers_in_arrays_and_vectors_tensors(held, served):
    number = {label: i for i, label in enumerate("abcdef")}
    one = probe(*served, *held)
    labels, known = ([number[label] for label in of] for of in (served[1], held[1]))
    assert probe(torch.from_numpy(served[0]), torch.tensor(labels), held[0].astype(np.float64), np.array(known)) == one


def test_rows_without_a_label_do_not_count(held, served):
    found = probe(served[0], [None] * 56 + list(served[1][56:]), *held)
    assert probe(served[0], [""] * 56 + list(served[1][56:]), *held) == found
    assert (found.frozen.rows, found.refit.rows, found.knn.rows) == (200, 192, 200)


def test_what_cannot_be_compared_is_refused_by_name(held, served):
    x, labels = served
    with pytest.raises(MissingLabelsError, match="two different labels, window has only 'a'"):
        probe(x, ["a"] * 256, *held)
    with pytest.raises(MissingLabelsError, match="window has none"):
        probe(x, [None] * 256, *held)
    with pytest.raises(MissingLabelsError, match="labels that the reference has too, the window has x, y …, the refer"):
        probe(x, ["x", "y"] * 128, *held)
    with pytest.raises(TooFewRowsError, match="at least 64 labelled rows, window has 60"):
        probe(x[:60], labels[:60], *held)
    with pytest.raises(UnmeasurableError, match="labels needs one label for each of 256 rows, it has 255"):
        probe(x, labels[1:], *held)
    with pytest.raises(UnmeasurableError, match="window and reference need vectors of one length, they have 3 and 384"):
        probe(x[:, :3], labels, *held)
    with pytest.raises(BadReferenceError, match="reference needs finite numbers"):
        probe(x, labels, np.where(np.arange(DIM) == 3, np.nan, held[0]), held[1])


def accuracy(value: float, healthy: float, p_value: float) -> Accuracy:
    return Accuracy(value, value, value, healthy, healthy, healthy, p_value, 100)


@pytest.mark.parametrize(
    ("frozen", "refit", "knn", "expected"),
    [
        (accuracy(0.9, 0.9, 0.5), accuracy(0.5, 0.8, 1e-9), accuracy(0.9, 0.9, 0.5), Diagnosis.HEALTHY),
        (accuracy(0.1, 0.9, 1e-9), accuracy(0.8, 0.8, 0.5), accuracy(0.1, 0.9, 1e-9), Diagnosis.WRONG_VERSION),
        (accuracy(0.5, 0.9, 1e-9), accuracy(0.8, 0.8, 0.5), accuracy(0.5, 0.9, 1e-9), Diagnosis.WRONG_VERSION),
        (accuracy(0.6, 0.9, 1e-9), accuracy(0.8, 0.8, 0.5), accuracy(0.6, 0.9, 1e-9), Diagnosis.UNDECIDED),
        (accuracy(0.9, 0.9, 0.5), accuracy(0.8, 0.8, 0.5), accuracy(0.6, 0.9, 0.004), Diagnosis.UNDECIDED),
        (accuracy(0.9, 0.9, 0.5), accuracy(0.8, 0.8, 0.5), accuracy(0.6, 0.9, 0.006), Diagnosis.HEALTHY),
        (accuracy(0.6, 0.9, 1e-9), accuracy(0.7, 0.8, 1e-3), accuracy(0.6, 0.9, 1e-9), Diagnosis.QUALITY_LOSS),
    ],
)
def test_the_diagnosis_follows_from_the_figures(frozen, refit, knn, expected):
    assert diagnose(frozen, refit, (knn,), chance=0.2, alpha=0.01) is expected
