from dataclasses import asdict, replace

import numpy as np
import pytest
from samples import Vectors, labelled_topics
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from benchmarks import label_free
from detectors import Estimate, estimate_accuracy
from detectors.label_free import estimates, share_above, temperature, transported
from drift.config.model import DETECTORS as BY_DEFAULT
from drift.errors import MissingLabelsError, TooFewRowsError, UnmeasurableError
from drift.records import Texts


@pytest.fixture(scope="module")
def held() -> tuple[Vectors, Texts]:
    return labelled_topics(2560, np.random.default_rng(0))


@pytest.mark.parametrize(("skew", "found"), [(False, "bad"), (None, "not known")])
def test_nothing_is_estimated_unless_skew_is_known_to_be_healthy(held, skew, found):
    with pytest.raises(UnmeasurableError, match=rf"skew is {found}: label-free estimates are far too high"):
        estimate_accuracy(held[0][:128], *held, skew_healthy=skew)


def test_every_estimate_says_that_it_is_optimistic(held):
    found = estimate_accuracy(labelled_topics(200, np.random.default_rng(1))[0], *held, skew_healthy=True)
    guesses = [getattr(found, name) for name in label_free.COLUMNS]
    assert len(guesses) == len(asdict(found)) - 2
    assert all(
        isinstance(of, Estimate) and "too optimistic" in str(of) and f"{of.value:.3f}" in str(of) for of in guesses
    )
    assert all("too optimistic" in asdict(found)[name]["caution"] for name in label_free.COLUMNS)
    assert found == estimate_accuracy(labelled_topics(200, np.random.default_rng(1))[0], *held, skew_healthy=True)


def test_all_are_right_where_nothing_has_changed_and_far_too_high_where_the_vectors_have():
    """Why none of them may be an objective."""
    task = label_free.topics(windows=1)
    found = {line.shift: line for line in label_free.run(replace(task, windows=pick(task.windows)))}
    assert max(map(abs, found["none"].errors)) < 0.06
    assert min(found["noise 2"].errors) > 0.15
    assert min(found["rotation"].errors) > 0.4
    assert found["rotation"].accuracy < 0.25


def pick(windows):
    return {name: windows[name] for name in ("none", "noise 2", "rotation")}


def test_no_guess_is_a_detector():
    assert not any(name in BY_DEFAULT for name in ("label_free", "estimate_accuracy", *label_free.COLUMNS))


def test_the_temperature_makes_overconfident_scores_honest():
    rng = np.random.default_rng(2)
    logits = rng.standard_normal((4000, 5))
    label = np.array([rng.choice(5, p=p) for p in softmax(logits, 1)])
    assert temperature(3 * logits, label) == pytest.approx(3, rel=0.1)
    best = minimize_scalar(lambda t: -log_softmax(logits / t, 1)[np.arange(4000), label].mean(), bounds=(0.1, 9)).x
    assert temperature(logits, label) == pytest.approx(best, rel=1e-3)


def test_guesses_on_calibrated_rows_are_their_accuracy():
    rng = np.random.default_rng(3)
    logits = 2 * rng.standard_normal((2000, 4))
    label = np.array([rng.choice(4, p=p) for p in softmax(logits, 1)])
    found = estimates(log_softmax(logits[:1000], 1), label[:1000], log_softmax(logits[1000:], 1))
    true = (logits[1000:].argmax(1) == label[1000:]).mean()
    for name in label_free.COLUMNS:
        assert getattr(found, name).value == pytest.approx(true, abs=0.06), name
    assert found.healthy == (logits[:1000].argmax(1) == label[:1000]).mean()


def test_as_many_known_rows_reach_the_threshold_as_are_right():
    known = np.array([0.9, 0.5, 0.7, 0.6])
    assert share_above(np.array([0.95, 0.7, 0.65, 0.1]), known, np.array([True, False, True, False])) == 0.5
    assert share_above(known, known, np.array([True, True, True, False])) == 0.75
    assert share_above(known, known, np.zeros(4, bool)) == 0


def test_labels_are_given_to_rows_as_often_as_they_occur():
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]])
    assert transported(chances, np.array([0, 1, 0, 1])) == pytest.approx((0.9 + 0.8 + 0.4 + 0.3) / 4)
    assert transported(chances, np.array([0, 0])) == pytest.approx(chances[:, 0].mean())


def test_labels_that_name_each_row_are_refused(held):
    with pytest.raises(MissingLabelsError, match=r"at least 64 rows .* it has 0: give it classes"):
        estimate_accuracy(held[0][:64], held[0], list(range(len(held[0]))), skew_healthy=True)


def test_too_few_rows_are_refused(held):
    with pytest.raises(TooFewRowsError, match="window needs at least 16 rows, it has 9"):
        estimate_accuracy(held[0][:9], *held, skew_healthy=True)
    with pytest.raises(TooFewRowsError, match="at least 64 labelled rows, the second half of the reference has 50"):
        estimate_accuracy(held[0][:64], held[0][:100], held[1][:100], skew_healthy=True)
