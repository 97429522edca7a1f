"""What sets single rows apart, by law and by hand."""

from datetime import UTC, datetime

import numpy as np
import pytest

from dashboard.sight import Sight
from drift.records import Reference, Rows

START = datetime(2026, 3, 2, tzinfo=UTC)


def normal(rng: np.random.Generator, n: int, dim: int = 6, **moved: float) -> np.ndarray:
    return rng.normal(size=(n, dim), **moved).astype(np.float32)


def test_one_in_a_hundred_of_the_references_own_kind_is_novel_and_what_is_far_is():
    rng = np.random.default_rng(0)
    sight = Sight.between(Reference("s", Rows(normal(rng, 3000)), START, "f"), normal(rng, 200))
    assert (sight.of_windows(normal(rng, 5000)).novelty > 1).mean() == pytest.approx(0.01, abs=0.006)
    assert (sight.of_windows(normal(rng, 50, loc=5)).novelty > 2).all()


def test_a_row_is_not_its_own_neighbour():
    x = normal(np.random.default_rng(0), 400)
    sight = Sight.between(Reference("s", Rows(x), START, "f"), x)
    apart = np.linalg.norm(x[:200, None] - x[None, :200], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.allclose(sight.of_reference(x[:200]).novelty * sight.usual, apart.min(1), rtol=1e-3)
    assert sight.of_reference(x).witness.mean() == pytest.approx(0, abs=0.01)


def test_the_witness_says_where_windows_have_more_rows_than_the_reference():
    rng = np.random.default_rng(0)
    reference, moved = normal(rng, 1000), np.concatenate([normal(rng, 400), normal(rng, 100, loc=2)])
    sight = Sight.between(Reference("s", Rows(reference), START, "f"), moved)
    witness = sight.of_windows(moved).witness
    assert witness[400:].mean() > 0 > witness[:400].mean()
    # Its mean over windows less that over the reference is the squared MMD, in either sample.
    assert witness.mean() > sight.of_reference(reference).witness.mean()


def test_a_row_of_a_window_that_is_one_of_the_reference_is_not_novel():
    rng = np.random.default_rng(0)
    reference = normal(rng, 1000)
    reference[0] = 40  # alone, so that the next one is far
    sight = Sight.between(Reference("s", Rows(reference), START, "f"), normal(rng, 200))
    assert sight.of_windows(reference[:500]).novelty.max() == 0
    assert sight.of_reference(reference).novelty[0] > 5
    reference[700] = 40
    assert Sight.between(Reference("s", Rows(reference), START, "f"), normal(rng, 200)).of_reference(reference).novelty[
        700
    ] == pytest.approx(0, abs=1e-3)


def test_copies_of_one_row_are_where_windows_have_more_rows():
    rng = np.random.default_rng(0)
    reference, window = normal(rng, 1000), normal(rng, 400)
    window[100:] = window[0]
    sight = Sight.between(Reference("s", Rows(reference), START, "f"), window)
    assert (sight.of_windows(window).witness[100:] > 0.4).all()
