"""The probe that is asked only of rows it was not fitted on."""

import numpy as np
import pytest
from samples import labelled_topics, most_by_chance, rotation

from detectors import crossed_probe
from drift.errors import BadArgumentError, MissingLabelsError, TooFewRowsError


@pytest.fixture(scope="module")
def topics():
    return labelled_topics(600, np.random.default_rng(0))


def test_labels_that_show_are_told_right_and_random_ones_are_not(topics):
    x, labels = topics
    assert crossed_probe(x, labels).mean() > 0.8
    # A probe asked of its own rows would know these by heart: there are fewer rows than twice the dimensions.
    shuffled = np.random.default_rng(1).permutation(np.array(labels)).tolist()
    assert crossed_probe(x, shuffled).sum() <= most_by_chance(600, 0.2)


def test_a_rotation_changes_no_answer(topics):
    x, labels = topics
    turned = (x @ rotation(x.shape[1], np.random.default_rng(2))).astype(np.float32)
    assert (crossed_probe(x, labels) != crossed_probe(turned, labels)).mean() < 0.01


def test_rows_without_a_label_are_left_out(topics):
    x, labels = topics
    some = [label if i % 2 else None for i, label in enumerate(labels)]
    assert np.array_equal(crossed_probe(x, some), crossed_probe(x[1::2], labels[1::2]))


def test_what_cannot_be_asked_is_refused(topics):
    x, labels = topics
    with pytest.raises(MissingLabelsError, match="two different labels"):
        crossed_probe(x, ["a"] * len(x))
    with pytest.raises(TooFewRowsError, match="at least 64 labelled rows, x has 40"):
        crossed_probe(x[:40], labels[:40])
    with pytest.raises(BadArgumentError, match="folds"):
        crossed_probe(x, labels, folds=1)
