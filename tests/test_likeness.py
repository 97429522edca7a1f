"""Two vectors of one input, and two references of one stream."""

import numpy as np
import pytest
from fakes import START, healthy

from drift.diagnosis.likeness import likeness, rounding
from drift.diagnosis.two_references import difference
from drift.records import Lineage, Reference, Rows


def turned(x: np.ndarray, angle: float) -> np.ndarray:
    """`x` turned by that angle (radians) towards a direction that is orthogonal to each row."""
    aside = np.random.default_rng(0).standard_normal(x.shape)
    aside -= (aside * x).sum(1, keepdims=True) * x
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    return (np.cos(angle) * x + np.sin(angle) * aside).astype(np.float32)


def test_the_worst_row_and_the_first_percentile_are_told():
    x = healthy(200)
    y = x.copy()
    y[7], y[11] = turned(x[7:8], 0.5), turned(x[11:12], 0.1)
    found = likeness(x, y, rounding("float32"))
    assert found.worst == pytest.approx(np.cos(0.5), abs=1e-6)
    assert found.p01 == pytest.approx(np.cos(0.1), abs=1e-6)
    assert (found.rows, found.moved, found.failing, found.share) == (200, 2, 2, 0.01)


def test_lengths_are_told_apart_from_directions():
    x = healthy(50)
    y = x.copy()
    y[0], y[1] = 3 * x[0], x[1] / 2
    found = likeness(x, y, rounding("float32"))
    assert (found.shortest, found.longest) == (pytest.approx(0.5), pytest.approx(3))
    assert found.worst == pytest.approx(1)
    assert found.failing == 2


@pytest.mark.parametrize(
    ("angle", "dtype", "moved", "failing"),
    [
        (3e-4, "float32", 0, 0),  # 1 - cosine is half the square: 5e-8, which another batch does
        (8e-3, "float32", 9, 0),  # 3e-5: another precision, not another vector
        (8e-3, "bfloat16", 0, 0),
        (4e-2, "float32", 9, 9),
        (4e-2, "bfloat16", 9, 9),
    ],
)
def test_what_rounding_may_do_depends_on_the_precision(angle, dtype, moved, failing):
    x = healthy(9)
    found = likeness(x, turned(x, angle), rounding(dtype))
    assert (found.moved, found.failing) == (moved, failing)


def test_a_vector_that_is_not_finite_has_moved():
    x = healthy(9)
    y = x.copy()
    y[3] = np.nan
    assert likeness(x, y, rounding("float32")).failing == 1


# Two references.


def reference(vectors: np.ndarray, inputs=(), labels=()) -> Reference:
    return Reference("search", Rows(vectors, inputs=tuple(inputs), labels=tuple(labels)), START, lineage=Lineage())


def test_rows_are_paired_by_their_input_wherever_they_stand():
    x = healthy(40)
    texts = [f"text {i}" for i in range(40)]
    y = np.concatenate([x[39:9:-1], healthy(5, 3)])
    y[0] = turned(x[39:40], 0.5)
    new = reference(y, [*texts[39:9:-1], *(f"new {i}" for i in range(5))])
    found = difference(reference(x, texts), new)
    assert (found.paired, found.added, found.removed) == (30, 5, 10)
    assert (found.likeness.moved, found.likeness.worst) == (1, pytest.approx(np.cos(0.5), abs=1e-6))


def test_an_input_that_is_there_often_is_paired_as_often():
    x = healthy(6)
    old = reference(x, ["a", "a", "a", "b", "c", "d"])
    new = reference(x[:5], ["a", "a", "e", "b", "b"])
    found = difference(old, new)
    assert (found.paired, found.added, found.removed) == (3, 2, 3)


def test_labels_that_changed_are_counted():
    x, texts = healthy(10), [f"text {i}" for i in range(10)]
    found = difference(reference(x, texts, "aaaaabbbbb"), reference(x[::-1].copy(), texts[::-1], "bbbbbaaacc"))
    assert (found.paired, found.relabelled, found.likeness.moved) == (10, 2, 0)


def test_rows_without_inputs_are_paired_by_their_vectors():
    x = healthy(60)
    found = difference(reference(x), reference(np.concatenate([x[:20:-1], healthy(7, 5)])))
    assert (found.paired, found.added, found.removed) == (39, 7, 21)
    assert found.moved is None  # seven rows tell nothing


@pytest.mark.parametrize(("shift", "small"), [(0.0, False), (0.3, True)])
def test_new_rows_are_tested_against_the_old_reference(shift, small):
    x = healthy(1200)
    fresh = healthy(400, 5) + np.float32(shift) * np.eye(8, dtype=np.float32)[0]
    found = difference(reference(x), reference(np.concatenate([x[:800], fresh])))
    assert (found.paired, found.added, found.moved.rows) == (800, 400, 60)
    assert (found.moved.p_value < 0.01) == small
    assert 0 <= found.moved.low <= found.moved.share <= found.moved.high <= 1


def test_references_of_two_dimensions_have_no_common_vectors():
    texts = [f"text {i}" for i in range(30)]
    found = difference(reference(healthy(30), texts), reference(healthy(30, dim=9), texts))
    assert (found.paired, found.likeness, found.moved) == (30, None, None)
