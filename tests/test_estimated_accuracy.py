"""Accuracy without labels: right while vectors are, and refused where they are not."""

from dataclasses import replace

import numpy as np
import pytest
from samples import complete, encoded_again, labelled_reference, measured, s1

from detectors import AccuracyEstimate, Probe, estimate_accuracy, hold
from drift.errors import MissingInputsError, MissingLabelsError, UnmeasurableError

BY_CHANCE = 0.07  # of 512 rows against 1024, two and a half standard deviations


@pytest.fixture(scope="module")
def held():
    rng = np.random.default_rng(0)
    return labelled_reference(s1(2048, rng), rng)


@pytest.fixture(scope="module")
def window():
    rng = np.random.default_rng(1)
    return complete(s1(512, rng), rng)


def test_it_is_near_the_accuracy_of_the_probe_on_healthy_rows_and_needs_no_label(held, window):
    bare = replace(window, rows=replace(window.rows, labels=()))
    assert measured(AccuracyEstimate(), bare, held).value == pytest.approx(
        measured(Probe(), window, held).value, abs=BY_CHANCE
    )


def test_it_says_what_the_function_for_notebooks_says(held, window):
    found = estimate_accuracy(window.vectors, held.vectors, held.rows.labels, skew_healthy=True, seed=0)
    same = hold(held.vectors, labels=held.rows.labels)  # halved as the function halves it
    assert measured(AccuracyEstimate(), window, same).value == found.above_entropy.value


def test_it_is_lower_where_rows_are_less_clear(held, window):
    between = (window.vectors + window.vectors[::-1]) / 2
    of = encoded_again(replace(window, rows=replace(window.rows, vectors=between)), between)
    assert measured(AccuracyEstimate(), of, held).value < measured(AccuracyEstimate(), window, held).value - 0.02


def test_wrong_vectors_get_no_estimate(held, window):
    turned = encoded_again(window, window.vectors[::-1].copy())
    with pytest.raises(UnmeasurableError, match=r"needs vectors that are served rightly, 100\.0% of those"):
        measured(AccuracyEstimate(), turned, held)
    some = window.recomputed.vectors.copy()
    some[:5] *= -1
    assert measured(AccuracyEstimate(), encoded_again(window, some), held).value  # 1 % may be


def test_what_was_not_encoded_again_gets_no_estimate(held, window):
    with pytest.raises(MissingInputsError, match=r"send `input` .*, or give `encoded_again`"):
        measured(AccuracyEstimate(), replace(window, recomputed=None), held)


def test_a_reference_of_ids_is_refused(window):
    rng = np.random.default_rng(3)
    of = labelled_reference(s1(512, rng), rng)
    ids = replace(of, version="", rows=replace(of.rows, labels=tuple(map(str, range(512)))))
    with pytest.raises(MissingLabelsError, match="not ids"):
        measured(AccuracyEstimate(), window, ids)
